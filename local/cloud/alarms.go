package cloud

import (
	"context"
	"encoding/xml"
	"log"
	"net/url"
	"strconv"
	"time"
)

// alarms asks moto which of CloudWatch's alarms ring. Nothing measures anything here: an alarm's state is what SetAlarmState has
// made it.
type alarms struct{ api client }

// alarmTimeout bounds one question, for which a rollout waits.
const alarmTimeout = 5 * time.Second

// InAlarm implements services.Alarms. Where CloudWatch cannot be asked, none rings; that is asked again in a second.
func (a alarms) InAlarm(names []string) []string {
	ctx, cancel := context.WithTimeout(context.Background(), alarmTimeout)
	defer cancel()
	form := url.Values{"Action": {"DescribeAlarms"}, "Version": {cloudWatchVersion}, "StateValue": {"ALARM"}}
	for i, name := range names {
		form.Set("AlarmNames.member."+strconv.Itoa(i+1), name)
	}
	answer, err := a.api.query(ctx, cloudWatchService, form)
	var found struct {
		Alarms []struct{ AlarmName, StateValue string } `xml:"DescribeAlarmsResult>MetricAlarms>member"`
	}
	if err == nil {
		err = xml.Unmarshal(answer, &found)
	}
	if err != nil {
		log.Printf("ask for the alarms of a deployment: %v", err)
		return nil
	}
	var ringing []string
	for _, alarm := range found.Alarms {
		if alarm.StateValue == "ALARM" { // moto takes no account of the filter beside names
			ringing = append(ringing, alarm.AlarmName)
		}
	}
	return ringing
}

const (
	cloudWatchService = "monitoring" // in the scope of a signature
	cloudWatchVersion = "2010-08-01"
)
