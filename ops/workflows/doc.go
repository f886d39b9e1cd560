// Package workflows holds no code. Its tests hold the workflows of GitHub Actions to our rules, which go beyond what
// actionlint and zizmor know: what a step may run, what a job may write, and what may not happen at the same time.
package workflows
