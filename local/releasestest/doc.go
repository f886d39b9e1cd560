// Package releasestest holds the ledger of releases against ECR as moto has it. The program's module knows nothing of moto.
package releasestest
