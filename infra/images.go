package infra

import (
	"slices"

	"slipway/infra/config"
	"slipway/infra/registry"
	"slipway/infra/revision"
)

// sources is what each service's image is built from.
func sources(cfg *config.Config, rev revision.Revision) map[string]registry.Source {
	all := map[string]registry.Source{}
	for _, row := range cfg.Services {
		all[row.Name] = registry.Source{
			Repository: repositoryName(cfg, row),
			Folder:     row.Folder,
			Dockerfile: row.Dockerfile,
			BuildArgs:  row.BuildArgs,
			Target:     row.Target,
			Commit:     rev.Sources[row.Folder].Tag,
			Earlier:    rev.Sources[row.Folder].Earlier,
		}
	}
	return all
}

// again is the release to take from the registry; empty where the checkout is built.
func again(cfg *config.Config, rev revision.Revision) string {
	if cfg.Revision != "" || cfg.Images.PromoteFrom != "" {
		return rev.Commit
	}
	return ""
}

// ranIn lists the stacks whose word is taken for a release that is not built: this one's, and that of the stack before it.
func ranIn(cfg *config.Config, stack string) []string {
	stacks := []string{stack}
	if from := cfg.Images.PromoteFrom; from != "" {
		stacks = append(stacks, from)
	}
	return stacks
}

// withOwn puts a stack's own name behind those of the others that share its repositories, unless it has a place among them.
func withOwn(stack string, others []string) []string {
	if slices.Contains(others, stack) {
		return others
	}
	return append(slices.Clone(others), stack)
}
