package services

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// record is one service deployment: the way from the revisions that ran to another.
type record struct {
	arn        string
	target     *deployment
	sources    []ecstypes.ServiceRevisionSummary
	status     ecstypes.ServiceDeploymentStatus
	reason     string
	created    time.Time
	finished   time.Time
	failures   int
	triggered  bool
	ringing    []string // names of the alarms that took it back
	rollbackTo string   // ARN of a revision
	rolledBack time.Time
}

func (s *service) describe(r *record) ecstypes.ServiceDeployment {
	breaker := &ecstypes.ServiceDeploymentCircuitBreaker{
		Status:       r.monitor(r.target.config.Breaker, r.triggered),
		FailureCount: count(r.failures), Threshold: count(threshold(r.target.config.Desired)),
	}
	described := ecstypes.ServiceDeployment{
		Alarms:               r.alarms(),
		ServiceDeploymentArn: aws.String(r.arn), ServiceArn: aws.String(s.config.ARN), ClusterArn: aws.String(s.config.Cluster),
		CreatedAt: aws.Time(r.created), StartedAt: aws.Time(r.created), UpdatedAt: aws.Time(r.target.updated),
		Status: r.status, StatusReason: aws.String(r.reason), SourceServiceRevisions: r.sources,
		TargetServiceRevision: &ecstypes.ServiceRevisionSummary{
			Arn: aws.String(r.target.revision), RequestedTaskCount: count(r.target.config.Desired), RunningTaskCount: count(r.target.running()),
			PendingTaskCount: count(len(r.target.tasks) - r.target.running()),
		},
		DeploymentCircuitBreaker: breaker,
	}
	if !r.finished.IsZero() {
		described.FinishedAt = aws.Time(r.finished)
	}
	if r.rollbackTo != "" {
		described.Rollback = &ecstypes.Rollback{
			Reason: aws.String(r.reason), StartedAt: aws.Time(r.rolledBack), ServiceRevisionArn: aws.String(r.rollbackTo),
		}
	}
	return described
}

// monitor is the state of one of the two things that watch a deployment.
func (r *record) monitor(enabled, triggered bool) ecstypes.ServiceDeploymentRollbackMonitorsStatus {
	switch {
	case triggered:
		return ecstypes.ServiceDeploymentRollbackMonitorsStatusTriggered
	case enabled && r.finished.IsZero():
		return ecstypes.ServiceDeploymentRollbackMonitorsStatusMonitoring
	case enabled:
		return ecstypes.ServiceDeploymentRollbackMonitorsStatusMonitoringComplete
	}
	return ecstypes.ServiceDeploymentRollbackMonitorsStatusDisabled
}

func (r *record) alarms() *ecstypes.ServiceDeploymentAlarms {
	names := r.target.config.Alarms
	if len(names) == 0 {
		return nil
	}
	return &ecstypes.ServiceDeploymentAlarms{
		AlarmNames: names, TriggeredAlarmNames: r.ringing, Status: r.monitor(!r.target.unwatched, len(r.ringing) > 0),
	}
}

func (r *record) finish(status ecstypes.ServiceDeploymentStatus, reason string) {
	r.status, r.finished = status, time.Now()
	if reason != "" {
		r.reason = reason
	}
}
