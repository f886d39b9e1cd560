package cost

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"slipway/ops/enginejson"
)

// Tokens of what a service's cost depends on.
const (
	definitionType = "aws:ecs/taskDefinition:TaskDefinition"
	scalingType    = "aws:appautoscaling/target:Target"
)

// includedStorage is what every Fargate task has without extra charge, in GiB.
const includedStorage = 20

// service prices the tasks that an ECS service runs all the time: those that it is asked for, or the fewest that scaling leaves.
func (p *pricing) service(r enginejson.Resource) {
	strategy, fargate := p.launch(r)
	if !fargate {
		p.gap(r, "the price table has tasks on Fargate alone")
		return
	}
	definition, ok := p.definition(r)
	if !ok {
		p.gap(r, "its task definition is not among the resources: run the preview with --show-sames")
		return
	}
	cpu, cpuKnown := whole(definition, "cpu", 0)
	memory, memoryKnown := whole(definition, "memory", 0)
	count, words, countKnown := p.count(r)
	if !cpuKnown || !memoryKnown || !countKnown || cpu == 0 || memory == 0 {
		p.gap(r, "its size or its number of tasks is not known before the update")
		return
	}
	architecture, name := "x86", "x86"
	if object(definition, "runtimePlatform")["cpuArchitecture"] == "ARM64" {
		architecture, name = "arm", "ARM"
	}
	parts := []part{
		{key: "fargate." + architecture + ".vcpu", numerator: count * cpu * HoursPerMonth, denominator: 1024},
		{key: "fargate." + architecture + ".gb", numerator: count * memory * HoursPerMonth, denominator: 1024},
	}
	what := fmt.Sprintf("%s of %s vCPU and %s GiB, %s%s", words, portion(cpu), portion(memory), name, strategy)
	if size, ok := wholeOf(object(definition, "ephemeralStorage")["sizeInGib"]); ok && size > includedStorage {
		parts = append(parts, hours("fargate.storage", count*(size-includedStorage)))
		what += fmt.Sprintf(", %d GiB of disk", size)
	}
	p.item(r, "", what, parts...)
	if object(r, "networkConfiguration")["assignPublicIp"] == true {
		p.item(r, "addresses", plural(count, "public IPv4 address")+" of tasks", hours("address.ipv4", count))
	}
}

// launch says whether a service runs on Fargate, and in words if it may run on spare capacity: its price changes from day to
// day, so the full one is taken.
func (p *pricing) launch(r enginejson.Resource) (strategy string, fargate bool) {
	providers, known := list(r, "capacityProviderStrategies")
	if !known || len(providers) == 0 {
		return "", known && text(r, "launchType", "EC2") == "FARGATE"
	}
	for _, provider := range providers {
		s, _ := provider.(map[string]any)
		switch s["capacityProvider"] {
		case "FARGATE":
		case "FARGATE_SPOT":
			if weight, ok := wholeOf(s["weight"]); !ok || weight > 0 {
				strategy = ", at the full price although it may run on Spot"
			}
		default:
			return "", false
		}
	}
	return strategy, true
}

// definition finds the task definition that a service runs: by the dependency of its input, or by its ARN.
func (p *pricing) definition(service enginejson.Resource) (enginejson.Resource, bool) {
	arn, _ := service.Known("taskDefinition")
	sources := service.PropertyDependencies["taskDefinition"]
	i := slices.IndexFunc(p.all, func(r enginejson.Resource) bool {
		if r.Type != definitionType || r.Delete {
			return false
		}
		return slices.Contains(sources, r.URN) || arn != nil && (r.Outputs["arn"] == arn || r.ID == arn)
	})
	if i < 0 {
		return enginejson.Resource{}, false
	}
	return p.all[i], true
}

// count is how many tasks a service runs, with words for it.
func (p *pricing) count(service enginejson.Resource) (count int64, words string, known bool) {
	for _, r := range p.all {
		if r.Type != scalingType || r.Delete || !p.scales(r, service) {
			continue
		}
		least, leastKnown := whole(r, "minCapacity", 0)
		most, mostKnown := whole(r, "maxCapacity", least)
		return least, fmt.Sprintf("%s (scaling: %d to %d)", plural(least, "task"), least, most), leastKnown && mostKnown
	}
	count, known = whole(service, "desiredCount", 1)
	return count, plural(count, "task"), known
}

// scales says whether a scaling target is of a service. The target's id ends with the service's name; where it is not known yet,
// its dependency tells.
func (p *pricing) scales(target, service enginejson.Resource) bool {
	if slices.Contains(target.PropertyDependencies["resourceId"], service.URN) {
		return true
	}
	name := text(service, "name", "")
	return name != "" && text(target, "serviceNamespace", "ecs") == "ecs" && strings.HasSuffix(text(target, "resourceId", ""), "/"+name)
}

// portion is a 1024th part in decimals: 256 is 0.25.
func portion(n int64) string {
	return strconv.FormatFloat(float64(n)/1024, 'g', 4, 64)
}
