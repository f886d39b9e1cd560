package observe

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Sizes of widgets on the dashboard's grid, which is 24 wide.
const (
	widgetWidth  = 8
	widgetHeight = 6
	gridWidth    = 24
)

// body is a dashboard, in CloudWatch's words.
type body struct {
	Widgets []widget `json:"widgets"`
}

type widget struct {
	Type       string     `json:"type"`
	X          int        `json:"x"`
	Y          int        `json:"y"`
	Width      int        `json:"width"`
	Height     int        `json:"height"`
	Properties properties `json:"properties"`
}

type properties struct {
	Title       string       `json:"title"`
	Region      string       `json:"region"`
	View        string       `json:"view"`
	Metrics     [][]any      `json:"metrics,omitempty"`
	Period      int          `json:"period,omitempty"` // seconds
	Stat        string       `json:"stat,omitempty"`
	Annotations *annotations `json:"annotations,omitempty"`
	Query       string       `json:"query,omitempty"`
}

type annotations struct {
	Horizontal []line `json:"horizontal"`
}

type line struct {
	Label string  `json:"label"`
	Value float64 `json:"value"`
}

// dashboard declares the picture of all rows, and of the last errors in the logs.
func (o *Observe) dashboard() error {
	all := make([]any, len(o.rows))
	for i, r := range o.rows {
		all[i] = r.known()
	}
	text := pulumi.All(all...).ApplyT(func(known []any) (string, error) {
		b := body{}
		for i, r := range o.rows {
			b.Widgets = append(b.Widgets, place(i, r.widget(o.args.Region, known[i].([]map[string]string))))
		}
		rows := (len(b.Widgets)*widgetWidth + gridWidth - 1) / gridWidth
		b.Widgets = append(b.Widgets, o.errors(rows*widgetHeight))
		rendered, err := json.Marshal(b)
		if err != nil {
			return "", fmt.Errorf("render the dashboard: %w", err)
		}
		return string(rendered), nil
	}).(pulumi.StringOutput)
	_, err := cloudwatch.NewDashboard(o.ctx, "dashboard", &cloudwatch.DashboardArgs{
		DashboardName: pulumi.String(o.args.Prefix), DashboardBody: text,
	}, o.parent)
	if err != nil {
		return fmt.Errorf("declare the dashboard: %w", err)
	}
	return nil
}

// known are the dimensions of a row's metrics once they are known.
func (r row) known() pulumi.Output {
	all := make([]any, len(r.metrics))
	for i, m := range r.metrics {
		all[i] = pulumi.StringMap(m.dimensions).ToStringMapOutput()
	}
	return pulumi.All(all...).ApplyT(func(all []any) []map[string]string {
		dimensions := make([]map[string]string, len(all))
		for i, one := range all {
			dimensions[i] = one.(map[string]string)
		}
		return dimensions
	})
}

func place(index int, w widget) widget {
	perRow := gridWidth / widgetWidth
	w.X, w.Y, w.Width, w.Height = index%perRow*widgetWidth, index/perRow*widgetHeight, widgetWidth, widgetHeight
	return w
}

// widget is a row's picture, with a line where its threshold is.
func (r row) widget(region string, dimensions []map[string]string) widget {
	var shown [][]any
	if r.expression != "" {
		shown = append(shown, []any{map[string]any{"expression": r.expression, "label": r.title, "id": "value"}})
	}
	for i, m := range r.metrics {
		one := []any{m.namespace, m.name}
		for _, name := range slices.Sorted(maps.Keys(dimensions[i])) {
			one = append(one, name, dimensions[i][name])
		}
		shown = append(shown, append(one, map[string]any{"id": fmt.Sprintf("m%d", i+1), "stat": m.stat, "visible": r.expression == ""}))
	}
	return widget{Type: "metric", Properties: properties{
		Title: r.title, Region: region, View: "timeSeries", Metrics: shown, Period: 60 * r.minutes,
		Annotations: &annotations{Horizontal: []line{{Label: "alarm", Value: r.threshold}}},
	}}
}

// errors are the last lines of the services' logs that speak of one.
func (o *Observe) errors(y int) widget {
	sources := make([]string, len(o.groups))
	for i, group := range o.groups {
		sources[i] = fmt.Sprintf("SOURCE '%s'", group)
	}
	return widget{Type: "log", Y: y, Width: gridWidth, Height: widgetHeight, Properties: properties{
		Title: "Last errors", Region: o.args.Region, View: "table",
		Query: strings.Join(sources, " | ") + " | fields @timestamp, @logStream, @message | filter @message like /(?i)(error|exception|fatal)/ " +
			"| sort @timestamp desc | limit 50",
	}}
}
