package observe

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// row is one alarm of the table, and one picture of the dashboard.
type row struct {
	name       string // its last part, behind the stack's
	title      string
	metrics    []metric
	expression string // over m1, m2, ... in the order of metrics; empty for the only one
	wrong      comparison
	threshold  float64
	minutes    int // in one period
	periods    int // that are looked at,
	of         int // and of these how many must be wrong
	missing    missing
	means      string
	do         string // what to type
	// release says that it takes a release back that goes out. ECS looks on for as long as its periods are after the last task has
	// changed, so they are short.
	release bool
	// once says that nobody is told when it is over: it is of things that happen, and then only says that nothing more has.
	once bool
}

// metric is one of CloudWatch's.
type metric struct {
	namespace, name string
	dimensions      map[string]pulumi.StringInput
	stat            string // Average, Sum, ... or a percentile such as p95
}

// comparison is when a value is wrong, as the API has it.
type comparison string

const (
	above   comparison = "GreaterThanThreshold"
	below   comparison = "LessThanThreshold"
	reaches comparison = "GreaterThanOrEqualToThreshold"
)

// missing is what no value says, as the API has it.
type missing string

const (
	fine  missing = "notBreaching" // nothing happens, which is well: no requests, no tasks that stop
	wrong missing = "breaching"    // what should be there has gone
	same  missing = "ignore"       // nobody knows: the state stays
)

// expressions of rates in percent. A minute with too few requests has none, and so has one with no value of a metric at all.
const (
	rateOfAll     = "IF(m2 >= %d, 100 * FILL(m1, 0) / m2, 0)"
	rateOfBalance = "IF(FILL(m2, 0) + m1 >= %d, 100 * m1 / (FILL(m2, 0) + m1), 0)" // the balancer's own answers are not among its requests
)

const gibibyte = 1 << 30

// stackRows are the alarms of what a stack has once.
func (a Args) stackRows() []row {
	balancer := map[string]pulumi.StringInput{"LoadBalancer": a.LoadBalancer}
	database := map[string]pulumi.StringInput{"DBInstanceIdentifier": pulumi.String(a.Database.Identifier)}
	look, outputs := "make summary STACK="+a.Stack, "make outputs STACK="+a.Stack
	rows := []row{
		{
			name: "edge-5xx", title: "Errors of the load balancer itself (%)",
			metrics: []metric{
				{"AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", balancer, "Sum"}, {"AWS/ApplicationELB", "RequestCount", balancer, "Sum"},
			},
			expression: fmt.Sprintf(rateOfBalance, a.Thresholds.LeastRequests),
			wrong:      above, threshold: float64(a.Thresholds.ErrorPercent), minutes: 1, periods: 3, of: 2, missing: fine,
			means: "The load balancer answers requests itself, since no task takes them: none is healthy, or they hang up.",
			do:    look,
			// A task that passes its check may hang up on all other requests, and no metric of a target group counts these.
			release: true,
		},
		{
			name: "database-cpu", title: "CPU of the database (%)",
			metrics: []metric{{"AWS/RDS", "CPUUtilization", database, "Average"}},
			wrong:   above, threshold: float64(a.Thresholds.CPUPercent), minutes: 5, periods: 3, of: 3, missing: same,
			means: "The database has been busy for a quarter of an hour: a statement without an index, or too small a class.",
			do:    outputs,
		},
		{
			// A tenth is left: time to let it grow, which takes RDS minutes, and which it allows every six hours only.
			name: "database-storage", title: "Free storage of the database (bytes)",
			metrics: []metric{{"AWS/RDS", "FreeStorageSpace", database, "Minimum"}},
			wrong:   below, threshold: float64(a.Database.StorageGiB) * gibibyte / 10, minutes: 5, periods: 1, of: 1, missing: same,
			means: "Less than a tenth of the database's storage is free. When it is full, nothing can be written.",
			do:    "raise databaseStorageGb, then make up STACK=" + a.Stack,
		},
		{
			name: "database-connections", title: "Connections to the database",
			metrics: []metric{{"AWS/RDS", "DatabaseConnections", database, "Maximum"}},
			wrong:   above, threshold: float64(a.Thresholds.Connections), minutes: 1, periods: 5, of: 5, missing: same,
			means: "The database nears the connections that its class allows. At the limit tasks are refused, and new ones do not get ready.",
			do:    outputs,
		},
	}
	if a.Database.Burstable {
		// One credit is a minute of one virtual CPU. What has been saved is none in a new database, and says nothing; what has been
		// borrowed says that all is used up.
		rows = append(rows, row{
			name: "database-credits", title: "CPU credits that the database has borrowed",
			metrics: []metric{{"AWS/RDS", "CPUSurplusCreditBalance", database, "Maximum"}},
			wrong:   above, threshold: 60, minutes: 5, periods: 1, of: 1, missing: same,
			means: "The database has used up what its burstable class saves for busy times, and borrowed an hour of a CPU. RDS charges for more than it earns in a day.",
			do:    outputs,
		})
	}
	if a.Alarms { // else nobody counts them
		rows = append(rows, row{
			name: "restarts", title: "Tasks that stopped by themselves",
			metrics: []metric{{"AWS/Events", "Invocations", map[string]pulumi.StringInput{"RuleName": pulumi.String(a.stoppedName())}, "Sum"}},
			wrong:   reaches, threshold: 3, minutes: 15, periods: 1, of: 1, missing: fine,
			means: "Tasks end, cannot start or fail their checks, again and again: their logs say why, and for an hour ECS does.",
			do:    outputs,
		})
	}
	if a.ScheduleGroup != "" {
		rows = append(rows, row{
			// Counted once Scheduler gives a run up, so not those that a second try has started.
			name: "unstarted", title: "Runs of scheduled tasks that could not be started",
			metrics: []metric{{"AWS/Scheduler", "InvocationDroppedCount", map[string]pulumi.StringInput{"ScheduleGroup": pulumi.String(a.ScheduleGroup)}, "Sum"}},
			wrong:   reaches, threshold: 1, minutes: 15, periods: 1, of: 1, missing: fine, once: true,
			means: "ECS refused to start a scheduled task until its schedule gave that run up: a quota, or something that the schedule names is gone.",
			do:    outputs,
		})
	}
	return rows
}

// taskRow is the alarm of one scheduled task. Its first run that fails is told: nothing repeats it.
func (a Args) taskRow(task Task) row {
	return row{
		name: task.Name + "-failed", title: "Runs of " + task.Name + " that failed",
		metrics: []metric{{"AWS/Events", "Invocations", map[string]pulumi.StringInput{"RuleName": pulumi.String(a.failedName(task.Name))}, "Sum"}},
		wrong:   reaches, threshold: 1, minutes: 15, periods: 1, of: 1, missing: fine, once: true,
		means: "A run of " + task.Name + " has failed, could not start or was stopped. It is not repeated before its next time.",
		do:    "make outputs STACK=" + a.Stack,
	}
}

// serviceRows are the alarms of one service.
func (a Args) serviceRows(service Service, targetGroup pulumi.StringInput) []row {
	tasks := map[string]pulumi.StringInput{"ClusterName": pulumi.String(a.Cluster.Name), "ServiceName": pulumi.String(service.Name)}
	look, back := "make summary STACK="+a.Stack, "make releases STACK="+a.Stack
	rows := []row{
		{
			name: service.Name + "-cpu", title: "CPU of " + service.Name + " (%)",
			metrics: []metric{{"AWS/ECS", "CPUUtilization", tasks, "Average"}},
			wrong:   above, threshold: float64(a.Thresholds.CPUPercent), minutes: 5, periods: 3, of: 3, missing: fine,
			means: "The tasks of " + service.Name + " have been busy for a quarter of an hour: raise their count, or their cpu.",
			do:    look,
		},
		{
			// The fullest task: the mean of several would hide the one that is about to be killed.
			name: service.Name + "-memory", title: "Memory of " + service.Name + " (%)",
			metrics: []metric{{"AWS/ECS", "MemoryUtilization", tasks, "Maximum"}},
			wrong:   above, threshold: float64(a.Thresholds.MemoryPercent), minutes: 1, periods: 5, of: 5, missing: fine,
			means: "A task of " + service.Name + " is about to run out of memory, and would be killed: a leak, or too little memory.",
			do:    look,
		},
	}
	if targetGroup == nil {
		return rows
	}
	target := a.target(targetGroup)
	rows = append(
		rows,
		row{
			name: service.Name + "-5xx", title: "Errors of " + service.Name + " (%)",
			metrics: []metric{
				{"AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", target, "Sum"}, {"AWS/ApplicationELB", "RequestCount", target, "Sum"},
			},
			expression: fmt.Sprintf(rateOfAll, a.Thresholds.LeastRequests),
			wrong:      above, threshold: float64(a.Thresholds.ErrorPercent), minutes: 1, periods: 3, of: 2, missing: fine,
			means:   service.Name + " answers with errors.",
			do:      back,
			release: true,
		},
		row{
			name: service.Name + "-latency", title: "Seconds of the slowest twentieth of " + service.Name,
			metrics: []metric{{"AWS/ApplicationELB", "TargetResponseTime", target, "p95"}},
			wrong:   above, threshold: float64(a.Thresholds.LatencyMs) / 1000, minutes: 1, periods: 5, of: 4, missing: fine,
			means: service.Name + " is slow: its own CPU, the database, or somebody whom it asks.",
			do:    look,
		},
		row{
			name: service.Name + "-unhealthy", title: "Unhealthy targets of " + service.Name,
			metrics: []metric{{"AWS/ApplicationELB", "UnHealthyHostCount", target, "Maximum"}},
			wrong:   above, threshold: 0, minutes: 1, periods: service.patience(), of: service.patience(), missing: fine,
			means:   "A task of " + service.Name + " runs and fails the load balancer's checks.",
			do:      look,
			release: true,
		},
	)
	return rows
}

// target is how CloudWatch names what the load balancer sees of a target group.
func (a Args) target(group pulumi.StringInput) map[string]pulumi.StringInput {
	return map[string]pulumi.StringInput{"LoadBalancer": a.LoadBalancer, "TargetGroup": group}
}

// patience is for how many minutes tasks may fail the load balancer's checks: two more than ECS lets them, of which CloudWatch knows nothing.
func (s Service) patience() int { return max(3, (s.GraceSeconds+59)/60+2) }

// servingRow is the alarm of a service that no task serves any more.
func (a Args) servingRow(service Service, targetGroup pulumi.StringInput) row {
	return row{
		// The most that any node of the load balancer sees: 0 says that none sees any.
		name: service.Name + "-gone", title: "Healthy targets of " + service.Name,
		metrics: []metric{{"AWS/ApplicationELB", "HealthyHostCount", a.target(targetGroup), "Maximum"}},
		wrong:   below, threshold: 1, minutes: 1, periods: 3, of: 3, missing: wrong,
		means: "No task of " + service.Name + " serves: its users see errors.",
		do:    "make restore STACK=" + a.Stack,
	}
}
