package observe

import "fmt"

// Task is what is watched of one scheduled task.
type Task struct {
	Name     string
	Family   string // of its task definitions
	LogGroup string // name
}

// WatchTask declares what tells of the runs of a scheduled task that fail; nothing where there are no alarms, as nobody then counts
// them.
func (o *Observe) WatchTask(task Task) error {
	if o == nil {
		return nil
	}
	o.groups = append(o.groups, task.LogGroup)
	if o.topic == nil {
		return nil
	}
	err := o.count(task.Name+"-failed", o.args.failedName(task.Name), "Runs of "+task.Name+" that fail", o.args.failedRuns(task.Family))
	if err != nil {
		return err
	}
	_, err = o.watch([]row{o.args.taskRow(task)})
	return err
}

// failedName is what the rule is called that counts a task's failed runs: 64 characters at most, which EventBridge takes. What stands
// behind the stack's name is no task's: the deploy role may change these rules, and else could those of a stack whose name begins with
// this one's.
func (a Args) failedName(task string) string { return a.Prefix + "-failed-" + task }

// runDetail is what ECS says of a run of a scheduled task that stops.
type runDetail struct {
	Cluster    []string  `json:"clusterArn"`
	LastStatus []string  `json:"lastStatus"`
	Definition []prefix  `json:"taskDefinitionArn"`
	Or         []outcome `json:"$or"`
}

type outcome struct {
	StopCode   []anythingBut `json:"stopCode,omitempty"`
	Containers *exits        `json:"containers,omitempty"`
}

// exits are of all containers: one that fits is enough.
type exits struct {
	Codes []anythingBut `json:"exitCode"`
}

type anythingBut struct {
	Values []any `json:"anything-but"`
}

// failedRuns is the pattern of a family's runs that did not end by themselves, each container with 0: a container failed, or the task
// could not start, was stopped by somebody, or taken back by AWS.
func (a Args) failedRuns(family string) func(clusterARN string) (string, error) {
	definitions := fmt.Sprintf("arn:%s:ecs:%s:%s:task-definition/%s:", a.Partition, a.Region, a.Account, family)
	return func(clusterARN string) (string, error) {
		return taskChanges(runDetail{
			Cluster: []string{clusterARN}, LastStatus: []string{"STOPPED"}, Definition: []prefix{{definitions}},
			Or: []outcome{
				{StopCode: []anythingBut{{Values: []any{"EssentialContainerExited"}}}},
				{Containers: &exits{Codes: []anythingBut{{Values: []any{0}}}}},
			},
		})
	}
}
