// Package report tells people how a run went: a summary on the run's page, a message in Slack, a review on a pull request.
// It renders and sends; what happened it is told.
package report
