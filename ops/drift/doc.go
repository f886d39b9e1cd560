// Package drift says what differs between a stack's state and the cloud: what somebody, or something, changed by hand.
//
// It asks `pulumi refresh --preview-only`, and not `pulumi preview --refresh`: the program is not run, so what a commit
// changes is not taken for drift, nothing is built, and no lock is taken. ignoreChanges of the last `up` are respected,
// since the engine keeps them in the state.
package drift
