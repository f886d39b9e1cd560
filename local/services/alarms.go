package services

import "time"

// Alarms is what a deployment asks of CloudWatch: which of some alarms are in the state ALARM. One that is not there is in none.
type Alarms interface {
	InAlarm(names []string) []string
}

// bakeTime is how long a deployment goes on being watched after its last change. ECS computes it from the alarms, some minutes; here
// nothing measures anything, so nothing would change in minutes.
const bakeTime = 5 * time.Second

// hearing is which alarms ring, asked for a deployment.
type hearing struct {
	of      *deployment // nil where it is not watched
	ringing []string
}

// listen asks for the alarms of the deployment in progress. It holds no lock: it is a call, and may take its time.
func (s *service) listen() hearing {
	s.mu.Lock()
	primary := s.deployments[0]
	watched := s.watched(primary)
	names := primary.config.Alarms
	s.mu.Unlock()
	if !watched {
		return hearing{}
	}
	return hearing{primary, s.scheduler.alarms.InAlarm(names)}
}

// watched says whether alarms can take a deployment back: not while it is one that takes another back, and not if one rang when it
// began, so that what makes it ring can be mended.
func (s *service) watched(d *deployment) bool {
	return len(d.config.Alarms) > 0 && d.isInProgress() && !d.isRollback && !d.unwatched && !s.deleted
}

// hear notes what was heard, from when on a task of the deployment runs.
func (s *service) hear(h hearing) {
	d := h.of
	if d == nil || d != s.deployments[0] || !s.watched(d) {
		return
	}
	if !d.heard {
		d.heard, d.unwatched = true, len(h.ringing) > 0
		return
	}
	if d.running() > 0 {
		d.ringing = h.ringing
	}
}

// isBaked says whether a deployment that has what it wants has had it for as long as it is watched.
func (s *service) isBaked(d *deployment) bool {
	if d.settled.IsZero() {
		d.settled = time.Now()
	}
	return !s.watched(d) || time.Since(d.settled) >= bakeTime
}
