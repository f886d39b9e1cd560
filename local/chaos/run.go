package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"slipway/local/cloud"
	"slipway/local/dockerengine"
)

// containers is how many run when all is well: the task's pause container and its application, and the database.
const containers = 3

// learn goes through an undisturbed run's first step and notes what the cloud holds.
func (w *worker) learn(ctx context.Context) error {
	if err := w.commit(ctx); err != nil {
		return err
	}
	if done := w.command(ctx, "up"); done.err != nil {
		return fmt.Errorf("undisturbed: %w", done.err)
	}
	held, err := w.held(ctx)
	if err != nil {
		return err
	}
	w.kinds = held
	return w.command(ctx, "down").err
}

func (w *worker) held(ctx context.Context) (map[string]int, error) {
	state, ok := cloud.Running(ctx, w.cloudDir())
	if !ok {
		return nil, fmt.Errorf("no cloud runs in %s", w.cloudDir())
	}
	lines, err := cloud.Inventory(ctx, state.Endpoint)
	counts := map[string]int{}
	for _, line := range lines {
		counts[strings.Join(strings.Fields(line)[:2], " ")]++
	}
	return counts, err
}

// run goes through all steps, two of which may be disturbed.
func (w *worker) run(ctx context.Context, number int, p plan) (o Outcome) {
	o = Outcome{Run: number, Plan: p.String()}
	start := time.Now()
	w.log.Reset()
	w.items, w.ran, w.commands = nil, nil, nil
	defer func() { o.Took, o.Commands = time.Since(start), w.commands }()
	for _, s := range steps {
		if err := w.step(ctx, s, p, &o); err != nil {
			o.Violations = append(o.Violations, fmt.Sprintf("%s: %v", s, err))
		}
		if len(o.Violations) > 0 || ctx.Err() != nil {
			return o
		}
	}
	return o
}

// step goes through one step and holds its promises. Its error is a broken one.
func (w *worker) step(ctx context.Context, s step, p plan, o *Outcome) error {
	words, wanted, err := w.prepare(ctx, s)
	if err != nil {
		return err
	}
	if s == p.faultStep || s == p.killStep {
		w.disturb(ctx, s, words, p, o)
		w.clearFaults(ctx)
		if s == down {
			if w.isEmpty(ctx) == nil {
				return nil // it was through
			}
			w.items = nil // it was asked to delete them
		}
		mayBeGone := s == down || s == p.killStep && p.victim == machine
		if err := w.converge(ctx, mayBeGone, o); err != nil || s == up || s == release {
			return err
		}
		if words, wanted, err = w.prepare(ctx, s); err != nil { // the cloud may have started over
			return err
		}
	}
	if err := w.command(ctx, words...).err; err != nil {
		return err
	}
	if s == down {
		return w.isEmpty(ctx)
	}
	return w.check(ctx, wanted, o.Run)
}

// prepare sets the clone up for a step, and returns the tool's words for it and the revision that is to run after it.
func (w *worker) prepare(ctx context.Context, s step) (words []string, wanted string, err error) {
	switch s {
	case up, release:
		err = w.commit(ctx)
		return []string{"up"}, w.newest, err
	case back:
		for len(w.ran) < 2 { // the cloud has started over since
			if err := w.commit(ctx); err != nil {
				return nil, "", err
			}
			if err := w.command(ctx, "up").err; err != nil {
				return nil, "", err
			}
			w.ran = append(w.ran, w.newest)
		}
		wanted = w.ran[len(w.ran)-2]
		return []string{"rollback", wanted}, wanted, nil
	default:
		return []string{"down"}, "", nil
	}
}

// What the tool says of what it does on its own.
var (
	gone         = regexp.MustCompile(`(?m)^engine: the cloud of the last run is gone.*$`)
	startingOver = regexp.MustCompile(`(?m)^engine: .*starting over with an empty cloud$`)
	freedLock    = regexp.MustCompile(`(?m)^engine: removing the lock of process.*$`)
	deregistered = regexp.MustCompile(`(?m)^engine: deregistering .*$`)
)

// explain notes what the tool has said of that.
func (o *Outcome) explain(text string) {
	for _, pattern := range []*regexp.Regexp{gone, startingOver, freedLock, deregistered} {
		o.Explained = append(o.Explained, pattern.FindAllString(text, -1)...)
	}
}

// converge is the next `up` after a disturbance. It holds that the newest commit runs then, and that there is nothing left to do. The cloud
// may be another one only where it may have gone with the disturbance, or where the tool says why it begins over.
func (w *worker) converge(ctx context.Context, mayBeGone bool, o *Outcome) error {
	done := w.command(ctx, "up")
	o.explain(done.text)
	if done.err != nil {
		return done.err
	}
	isGone := gone.MatchString(done.text)
	if isGone && !mayBeGone {
		return errors.New("the cloud has gone, though nothing has ended it")
	}
	if isGone || startingOver.MatchString(done.text) {
		w.items, w.ran = nil, nil
	}
	if err := w.check(ctx, w.newest, o.Run); err != nil {
		return err
	}
	return w.checkUnchanged(ctx)
}

// runs says whether a revision answers, within the time that tasks and checks take.
func (w *worker) runs(ctx context.Context, revision string) bool {
	return settles(ctx, func() bool {
		response, err := get(ctx, w.url()+"/api/revision")
		if err != nil {
			return false
		}
		defer func() { _ = response.Body.Close() }()
		var answer struct{ Revision string }
		return json.NewDecoder(response.Body).Decode(&answer) == nil && strings.HasPrefix(answer.Revision, revision)
	})
}

// check holds the promises: the wanted revision runs, nothing is doubled, nothing is lost, and no lock is left.
func (w *worker) check(ctx context.Context, wanted string, run int) error {
	if !w.runs(ctx, wanted) {
		return fmt.Errorf("revision %s does not answer", wanted)
	}
	if wanted == w.newest && !slices.Contains(w.ran, wanted) {
		w.ran = append(w.ran, wanted)
	}
	held, err := w.held(ctx)
	if err != nil {
		return err
	}
	if fmt.Sprint(held) != fmt.Sprint(w.kinds) {
		return fmt.Errorf("the cloud holds %v, want %v", held, w.kinds)
	}
	if running := -1; !settles(ctx, func() bool { running = w.containers(ctx, false); return running == containers }) {
		return fmt.Errorf("%d containers run, want %d", running, containers)
	}
	if locks, clouds := w.locks(), w.clouds(); len(locks) > 0 || clouds != 1 {
		return fmt.Errorf("locks %v are left, and %d clouds run", locks, clouds)
	}
	item := fmt.Sprintf("item %d of run %d", len(w.items)+1, run)
	names, err := w.addItem(ctx, item)
	if err != nil {
		return err
	}
	w.items = append(w.items, item)
	for _, one := range w.items {
		if !slices.Contains(names, one) {
			return fmt.Errorf("%q is lost; the database holds %q", one, names)
		}
	}
	return nil
}

// checkUnchanged holds that the stack has converged: another `up` would change nothing.
func (w *worker) checkUnchanged(ctx context.Context) error {
	preview := w.command(ctx, "preview")
	if preview.err == nil && !unchanged.MatchString(preview.text) {
		return fmt.Errorf("another up would change something: %s", lastLines(preview.text))
	}
	return preview.err
}

// unchanged is the end of a preview that finds nothing to do: a number of unchanged resources, and no other line.
var unchanged = regexp.MustCompile(`(?m)^Resources:\n +\d+ unchanged$`)

// addItem adds an item by the application's API and returns the names of all.
func (w *worker) addItem(ctx context.Context, name string) ([]string, error) {
	body, err := json.Marshal(map[string]string{"name": name})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url()+"/api/items", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("add an item: %w", err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		return nil, fmt.Errorf("add an item: %s", response.Status)
	}
	if response, err = get(ctx, w.url()+"/api/items?limit=500"); err != nil {
		return nil, fmt.Errorf("list the items: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	var items []struct{ Name string }
	if err := json.Unmarshal(text, &items); err != nil {
		return nil, fmt.Errorf("understand the items %q: %w", text, err)
	}
	var names []string
	for _, one := range items {
		names = append(names, one.Name)
	}
	return names, nil
}

// containers counts the worker's containers, those that run or all.
func (w *worker) containers(ctx context.Context, all bool) int {
	engine, err := dockerengine.Connect()
	if err != nil {
		return -1
	}
	defer func() { _ = engine.Close() }()
	found, err := engine.ContainerList(ctx, container.ListOptions{
		All: all, Filters: filters.NewArgs(filters.Arg("label", "slipway.owner="+w.cloudDir())),
	})
	if err != nil {
		return -1
	}
	return len(found)
}

// isEmpty says what is left where nothing should be, as after `down`, which itself asks the API.
func (w *worker) isEmpty(ctx context.Context) error {
	if containers, clouds, locks := w.containers(ctx, true), w.clouds(), w.locks(); containers != 0 || clouds != 0 || len(locks) > 0 {
		return fmt.Errorf("%d containers, %d clouds and the locks %v are left", containers, clouds, locks)
	}
	return nil
}
