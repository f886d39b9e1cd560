package calls

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"

	"slipway/local/awsapi"
)

var (
	underSchedules = regexp.MustCompile(`^/(schedules|schedule-groups|tags)(?:/(.+))?/?$`)
	onSchedules    = map[string]string{
		"POST schedules/NAME": "CreateSchedule", "PUT schedules/NAME": "UpdateSchedule", "GET schedules/NAME": "GetSchedule",
		"DELETE schedules/NAME": "DeleteSchedule", "GET schedules": "ListSchedules",
		"POST schedule-groups/NAME": "CreateScheduleGroup", "GET schedule-groups/NAME": "GetScheduleGroup",
		"DELETE schedule-groups/NAME": "DeleteScheduleGroup", "GET schedule-groups": "ListScheduleGroups",
		"GET tags/NAME": "ListTagsForResource", "POST tags/NAME": "TagResource", "DELETE tags/NAME": "UntagResource",
	}
)

// identifyScheduler names what a call takes of EventBridge Scheduler. A schedule's group stands in the body of what makes or changes it, and
// in the query otherwise.
func (c *Call) identifyScheduler(r *http.Request) error {
	match := underSchedules.FindStringSubmatch(r.URL.Path)
	if match == nil {
		return nil
	}
	kind, name := match[1], match[2]
	form := r.Method + " " + kind
	if name != "" {
		form += "/NAME"
	}
	operation, known := onSchedules[form]
	if !known {
		return nil
	}
	body, err := keep(r)
	if err != nil {
		return err
	}
	var fields struct {
		GroupName string
		Target    struct{ RoleArn string }
		Tags      []any
	}
	_ = json.Unmarshal(body, &fields) // what is no JSON moto refuses
	c.Operation = operation
	c.Tagged = kind != "tags" && len(fields.Tags) > 0
	if fields.Target.RoleArn != "" {
		c.Passed = []string{fields.Target.RoleArn}
	}
	switch {
	case name == "":
	case kind == "tags":
		c.Resources = []string{name}
	case kind == "schedule-groups":
		c.Resources = []string{schedulerARN("schedule-group/" + name)}
	default:
		c.Resources = []string{schedulerARN("schedule/" + fields.GroupName + r.URL.Query().Get("groupName") + "/" + name)}
	}
	return nil
}

func schedulerARN(resource string) string {
	return strings.Join([]string{"arn:aws:scheduler", awsapi.Region, awsapi.Account, resource}, ":")
}
