// Package locks frees a stack's state from locks of runs that are dead, and from no others.
//
// A backend of Pulumi's own kind, such as a bucket, keeps one file for each lock. It names a process, a user and a host, but
// not the run of GitHub Actions that these belong to, and hosted runners share host names. `pulumi cancel` deletes whatever
// lock there is, the one of a running deployment included. So:
//
//   - Before a run starts the CLI, it leaves a claim beside the state: which run it is, on which host, since when. It takes
//     the claim away when the CLI has ended.
//   - A lock belongs to the runs whose claims fit it by host and time. It is stale when GitHub says that every one of them has
//     completed some time ago. No claim, no answer, or one run that lives: the lock stays.
//   - What is deleted is the very file that was judged. Each lock has a name of its own, so one that is taken meanwhile is
//     safe.
//
// Pulumi Cloud knows of each update which run of GitHub Actions made it, since the CLI tells it. There the claim is part of the
// lock, and what is cancelled is that update, by its id.
package locks
