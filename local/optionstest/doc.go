// Package optionstest tests what a service can switch on with the real engine and AWS provider, against an emulator that only keeps
// what it is told: scaling, sleep, capacity, secrets and what looks on as AWS's API has them, with no task that runs.
package optionstest
