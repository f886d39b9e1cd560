package config

// Scales says whether the service follows its load, from Count tasks to MaxCount.
func (s Service) Scales() bool { return s.MaxCount > 0 }

// Most is how many tasks the service may run; Count is the fewest.
func (s Service) Most() int { return max(s.Count, s.MaxCount) }

// validateScaling applies the rules about how many tasks there are.
func (s Service) validateScaling(path string, p *Problems) {
	if !s.Scales() {
		for _, key := range []struct {
			name string
			set  int
		}{{"scaleMemoryPercent", s.ScaleMemoryPercent}, {"scaleRequests", s.ScaleRequests}} {
			if key.set != 0 {
				p.add(path+"."+key.name, "goes with maxCount, which is 0: nothing scales; set how many tasks there may be")
			}
		}
		return
	}
	if s.Count == 0 {
		p.add(path+".count", "must be at least 1 where maxCount is set: what does not run has no load to follow")
	} else if s.MaxCount <= s.Count {
		p.add(path+".maxCount", "%d leaves no room above count, %d; set it higher, or to 0 for a fixed number of tasks", s.MaxCount, s.Count)
	}
	if s.ScaleCPUPercent == 0 && s.ScaleMemoryPercent == 0 && s.ScaleRequests == 0 {
		p.add(path+".maxCount", "says how far to scale, and nothing by what; set scaleCpuPercent, scaleMemoryPercent or scaleRequests")
	}
	if s.ScaleRequests > 0 && len(s.Paths) == 0 && !s.Default {
		p.add(path+".scaleRequests", "counts what the load balancer sends, and it sends nothing here; set path or default, or scale by something else")
	}
}
