// Package bench prints how long things take and how much memory they need, on the machine that it runs on.
package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"slipway/infra/config"
	"slipway/infra/registry"
	"slipway/local/coldstart"
	"slipway/local/dockerplugin"
	"slipway/local/engine"
)

// runs is how often a thing that is warm is measured; its median is printed. What is cold is measured once.
const runs = 5

// bench is one run of all measurements.
type bench struct {
	engine engine.Engine
	out    io.Writer
	clone  string // of HEAD, in which sources are changed
}

// Run measures and prints. It leaves the stack converged and running.
func Run(ctx context.Context, e engine.Engine) error {
	temp, err := os.MkdirTemp("", "slipway-bench-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(temp) }()
	b := bench{engine: e, out: e.Out, clone: filepath.Join(temp, "clone")}
	if out, err := exec.CommandContext(ctx, "git", "clone", "--quiet", e.Top, b.clone).CombinedOutput(); err != nil {
		return fmt.Errorf("clone the checkout: %w: %s", err, out)
	}
	// First, since it says at once what is missing; its own words are not figures.
	if _, err := e.Up(ctx); err != nil {
		return err
	}
	b.engine.Out = io.Discard
	b.print("\n%s/%s, %d cores, %s\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	b.print("%-58s %9s  %s\n", "what", "seconds", "peak memory")
	for _, measure := range []func(context.Context) error{b.stack, b.rollout, b.images, b.compile} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	b.print("\nThe first deployment to AWS, simulated; see docs/performance.md\n\n")
	return coldstart.Report(b.out)
}

func (b bench) print(format string, args ...any) { _, _ = fmt.Fprintf(b.out, format, args...) }

// row prints one figure: the median of times, and a peak in bytes where one was measured.
func (b bench) row(what string, times []time.Duration, peak int64) {
	how := "once"
	if len(times) > 1 {
		how = fmt.Sprintf("median of %d", len(times))
	}
	memory := ""
	if peak > 0 {
		memory = fmt.Sprintf("%d MiB", peak>>20)
	}
	b.print("%-58s %9.2f  %s\n", what+" ("+how+")", median(times).Seconds(), memory)
}

// median of an even number of times is the lower of the two in the middle.
func median(times []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[(len(sorted)-1)/2]
}

// timed runs f n times.
func timed(n int, f func() error) ([]time.Duration, error) {
	times := make([]time.Duration, 0, n)
	for range n {
		start := time.Now()
		if err := f(); err != nil {
			return nil, err
		}
		times = append(times, time.Since(start))
	}
	return times, nil
}

// stack measures runs of the engine that change nothing.
func (b bench) stack(ctx context.Context) error {
	times, err := timed(runs, func() error { _, err := b.engine.Preview(ctx); return err })
	if err != nil {
		return err
	}
	b.row("preview, nothing to change", times, 0)
	if times, err = timed(runs, func() error { _, err := b.engine.Up(ctx); return err }); err != nil {
		return err
	}
	b.row("up, nothing to change", times, 0)
	return nil
}

// images measures the builds of all services, by the engine and with the arguments that `up` uses.
func (b bench) images(ctx context.Context) error {
	cfg, err := b.engine.Config(ctx)
	if err != nil {
		return err
	}
	return b.builds(ctx, cfg)
}

func (b bench) builds(ctx context.Context, cfg *config.Config) error {
	platform, err := registry.Platform(ctx, cfg.Images.Platform, true)
	if err != nil {
		return err
	}
	for _, row := range cfg.Services {
		build := dockerplugin.Build{
			Name:       "slipway-bench/" + row.Name + ":latest", // a name that nothing runs and no registry sees
			Context:    filepath.Join(b.clone, row.Folder),
			Dockerfile: filepath.Join(b.clone, row.Folder, row.Dockerfile),
			Target:     row.Target, Args: row.BuildArgs, Platform: platform, Network: cfg.Images.BuildNetwork,
		}
		cold := build
		cold.NoCache = true
		times, err := timed(1, func() error { return cold.Run(ctx) })
		if err != nil {
			return err
		}
		b.row("image "+row.Name+", cold (base image and downloads as they are)", times, 0)
		if times, err = timed(runs, func() error {
			if err := b.changeSource(row); err != nil {
				return err
			}
			return build.Run(ctx)
		}); err != nil {
			return err
		}
		b.row("image "+row.Name+", after a one-line change", times, 0)
	}
	return nil
}

// sources are files of the sample app in which a line is a comment. A service of another name is measured without change.
var sources = map[string]struct{ file, line string }{
	"backend":  {"app/__init__.py", "# %d\n"},
	"frontend": {"app/page.tsx", "// %d\n"},
}

func (b bench) changeSource(row config.Service) error {
	source, ok := sources[row.Name]
	if !ok {
		return nil
	}
	return appendTo(filepath.Join(b.clone, row.Folder, source.file), fmt.Sprintf(source.line, time.Now().UnixNano()))
}

func appendTo(name, line string) error {
	file, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("change a source: %w", err)
	}
	_, err = file.WriteString(line)
	if closed := file.Close(); err == nil {
		err = closed
	}
	return err
}

// compile measures the Go compiler on the program: as on a fresh runner, again, and after a one-line change.
func (b bench) compile(ctx context.Context) error {
	cache := filepath.Join(filepath.Dir(b.clone), "gocache")
	build := func() (int64, error) {
		cmd := exec.CommandContext(ctx, "go", "build", "-o", os.DevNull, ".")
		cmd.Dir = b.clone
		cmd.Env = append(os.Environ(), "GOCACHE="+cache)
		return peakOf(cmd)
	}
	for _, c := range []struct {
		what   string
		n      int
		change bool
	}{
		{"compile the program, cold (modules downloaded)", 1, false},
		{"compile the program, nothing changed", runs, false},
		{"compile the program, after a one-line change", runs, true},
	} {
		var highest int64
		times, err := timed(c.n, func() error {
			if c.change {
				if err := appendTo(filepath.Join(b.clone, "infra", "deploy.go"), fmt.Sprintf("\nconst _ = %d\n", time.Now().UnixNano())); err != nil {
					return err
				}
			}
			peak, err := build()
			highest = max(highest, peak)
			return err
		})
		if err != nil {
			return err
		}
		b.row(c.what, times, highest)
	}
	return nil
}

// peakOf runs a command and returns the highest sum of the resident memory of its process group, in bytes, looked at
// every 50 ms: `go build` runs several compilers at once.
func peakOf(cmd *exec.Cmd) (int64, error) {
	var printed strings.Builder
	cmd.Stdout, cmd.Stderr = &printed, &printed
	group(cmd)
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var peak int64
	for {
		select {
		case err := <-ended:
			if err != nil {
				return 0, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, printed.String())
			}
			return peak, nil
		case <-time.After(50 * time.Millisecond):
			peak = max(peak, resident(cmd.Process.Pid))
		}
	}
}
