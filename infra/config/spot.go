package config

// validateSpot applies the rules about spare capacity.
func (s Service) validateSpot(path string, p *Problems) {
	if s.SpotPercent == 100 && s.SpotBase > 0 {
		p.add(path+".spotPercent", "100 leaves nothing on demand, where spotBase wants %d; set spotBase to 0, or at most 99 here", s.SpotBase)
	}
}
