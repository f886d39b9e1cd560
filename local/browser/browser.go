// Package browser uses a page as a person does, in a real headless Chromium: it fills fields by their labels, clicks
// what says so, and waits for words to appear.
package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"slipway/local/tools"
)

const (
	startTimeout = time.Minute      // of Chromium, which is slow to start for the first time on a busy machine
	stepTimeout  = 30 * time.Second // of one method
	closeTimeout = 10 * time.Second // until Chromium is killed
)

// Browser is a Chromium with one page, and a profile of its own in a temporary folder. Its methods wait for what they
// need, at most for 30 seconds each, and are for one goroutine.
type Browser struct {
	ctx   context.Context // chromedp keeps the page in it
	end   func()          // ends the process, waits for it, and removes its profile
	temp  string          // of Chromium itself, which leaves things behind when it is killed
	heard sync.WaitGroup  // of the goroutine that listens to the console
	marks int             // that Console has written

	mu      sync.Mutex
	console []Message
	came    chan struct{} // closed and renewed when a message comes
}

// Message is something that the page or the browser wrote to the console.
type Message struct {
	Kind string // log, debug, info, warning, error, or exception for one that nothing caught
	Text string
	URL  string // of the script or of what did not load; may be empty
}

func (m Message) String() string {
	if m.URL == "" {
		return m.Kind + ": " + m.Text
	}
	return fmt.Sprintf("%s: %s (%s)", m.Kind, m.Text, m.URL)
}

// Open starts the Chromium or Chrome of the PATH, which root gets installed on Debian. It ends with ctx, and must be
// closed. Its sandbox is off for root, for whom Chromium has none.
func Open(ctx context.Context) (*Browser, error) {
	path, err := tools.EnsureChromium(ctx, os.Stderr)
	if err != nil {
		return nil, fmt.Errorf("open a browser: %w", err)
	}
	temp, err := os.MkdirTemp("", "chromium-") // short: Chromium makes a socket below, whose path may have 107 bytes
	if err != nil {
		return nil, fmt.Errorf("make a folder for the browser: %w", err)
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path),
		chromedp.Env("TMPDIR="+temp),
		chromedp.WindowSize(1024, 768),
		chromedp.Flag("no-sandbox", os.Geteuid() == 0),
		chromedp.Flag("no-proxy-server", true), // pages are on this machine
	)
	allocator, end := chromedp.NewExecAllocator(ctx, options...)
	page, _ := chromedp.NewContext(allocator) // ended by its parent
	b := &Browser{ctx: page, end: end, temp: temp, came: make(chan struct{})}
	// The life of the first call's context is the browser's, so a timeout of that context would end it later.
	late := time.AfterFunc(startTimeout, end)
	err = chromedp.Do(page)
	if !late.Stop() && err == nil {
		err = context.DeadlineExceeded
	}
	if err != nil {
		end()
		_ = os.RemoveAll(temp)
		return nil, fmt.Errorf("start %s: %w; see whether `%s --headless --no-sandbox --dump-dom about:blank` works", path, err, path)
	}
	messages := chromedp.Console(page)
	b.heard.Go(func() {
		for message, err := range messages {
			if err != nil {
				return
			}
			b.hear(Message{Kind: string(message.Type), Text: message.Text, URL: message.URL})
		}
	})
	return b, nil
}

func (b *Browser) hear(message Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.console = append(b.console, message)
	close(b.came)
	b.came = make(chan struct{})
}

// Close ends the browser, kills it if it does not end, and removes its profile.
func (b *Browser) Close() error {
	ctx, cancel := context.WithTimeout(b.ctx, closeTimeout)
	defer cancel()
	err := chromedp.Cancel(ctx)
	b.end()
	b.heard.Wait()
	if errors.Is(err, context.Canceled) { // it had ended with its context
		err = nil
	}
	if err := errors.Join(err, os.RemoveAll(b.temp)); err != nil {
		return fmt.Errorf("close the browser: %w", err)
	}
	return nil
}

// Goto opens a URL and waits until the page is loaded. A page with a status of 400 or more is an error.
func (b *Browser) Goto(url string) error {
	ctx, cancel := context.WithTimeout(b.ctx, stepTimeout)
	defer cancel()
	response, err := chromedp.Run(ctx, chromedp.NavigateResponse(url))
	if err != nil {
		return fmt.Errorf("open %s: %w", url, err)
	}
	if response != nil && response.Status >= 400 {
		return fmt.Errorf("open %s: status %d", url, response.Status)
	}
	return nil
}

// WaitText waits until the page shows a text, with spaces and lines as it shows them.
func (b *Browser) WaitText(text string) error {
	return b.step(fmt.Sprintf("wait for the text %q", text), func(ctx context.Context) error {
		_, err := chromedp.Run(ctx, chromedp.PollFunction[bool](
			`text => (document.body?.innerText ?? "").includes(text)`,
			chromedp.WithPollingArgs(text), chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(0)))
		return err
	})
}

// Fill types into the field whose label begins with the given words, over what stands there. An empty text empties it.
func (b *Browser) Fill(label, text string) error {
	return b.step(fmt.Sprintf("fill the field %q", label), func(ctx context.Context) error {
		quoted, err := quote(label)
		if err != nil {
			return err
		}
		field := fmt.Sprintf(`//label[starts-with(normalize-space(.), %[1]s)]//input | //*[@id = //label[starts-with(normalize-space(.), %[1]s)]/@for]`, quoted)
		if text == "" {
			text = kb.Backspace
		}
		// Keys, and not a value that is set: a form that listens to what is typed would not notice.
		return chromedp.Do(ctx,
			chromedp.Focus(chromedp.Search(field), chromedp.NodeEnabled),
			chromedp.Evaluate[chromedp.Void](`document.activeElement.select()`),
			chromedp.KeyEvent(text))
	})
}

// Click clicks the button or link of exactly the given words, once it is enabled.
func (b *Browser) Click(words string) error {
	return b.step(fmt.Sprintf("click %q", words), func(ctx context.Context) error {
		quoted, err := quote(words)
		if err != nil {
			return err
		}
		target := fmt.Sprintf(`//button[normalize-space(.) = %[1]s] | //a[normalize-space(.) = %[1]s] | //input[@value = %[1]s]`, quoted)
		return chromedp.Do(ctx, chromedp.Click(chromedp.Search(target), chromedp.NodeEnabled))
	})
}

// quote makes a string of XPath, which has no escapes.
func quote(text string) (string, error) {
	if strings.Contains(text, `"`) {
		return "", fmt.Errorf(`%q holds a double quote, which cannot be looked for; name a part without`, text)
	}
	return `"` + text + `"`, nil
}

// Text returns the text of the first element that matches a CSS selector, as the page shows it.
func (b *Browser) Text(selector string) (string, error) {
	var text string
	err := b.step(fmt.Sprintf("read the text of %s", selector), func(ctx context.Context) error {
		var err error
		text, err = chromedp.Run(ctx, chromedp.Text(chromedp.CSS(selector)))
		return err
	})
	return text, err
}

// Screenshot writes the whole page, and not only what a window would show of it, into a PNG file.
func (b *Browser) Screenshot(file string) error {
	return b.step("take a screenshot", func(ctx context.Context) error {
		image, err := chromedp.Run(ctx, chromedp.FullScreenshot(100)) // which means PNG
		if err != nil {
			return err
		}
		return os.WriteFile(file, image, 0o600)
	})
}

// Console returns all that was written to the console since Open, in its order.
func (b *Browser) Console() ([]Message, error) {
	// What the page wrote is still on its way to us when a method returns. A mark, written after it, arrives after it.
	b.marks++
	mark := fmt.Sprintf("slipway: mark %d", b.marks)
	var messages []Message
	err := b.step("read the console", func(ctx context.Context) error {
		if err := chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](fmt.Sprintf("console.debug(%q)", mark))); err != nil {
			return err
		}
		for {
			b.mu.Lock()
			came := b.came
			messages = slices.Clone(b.console)
			b.mu.Unlock()
			if slices.ContainsFunc(messages, func(m Message) bool { return m.Text == mark }) {
				break
			}
			select {
			case <-came:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return slices.DeleteFunc(messages, func(m Message) bool { return strings.HasPrefix(m.Text, "slipway: mark ") }), err
}

// Errors returns what went wrong in the page since Open: errors that it wrote, exceptions that nothing caught, and what
// did not load. A test of a page in good order finds none. That a site has no /favicon.ico is no error: the browser
// asks for it unasked.
func (b *Browser) Errors() ([]Message, error) {
	messages, err := b.Console()
	return slices.DeleteFunc(messages, func(m Message) bool {
		return m.Kind != "error" && m.Kind != "exception" || strings.HasSuffix(m.URL, "/favicon.ico")
	}), err
}

// step runs f within the time of one method, and adds to its error what the page shows.
func (b *Browser) step(what string, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(b.ctx, stepTimeout)
	defer cancel()
	err := f(ctx)
	if err == nil {
		return nil
	}
	look, cancelLook := context.WithTimeout(b.ctx, closeTimeout)
	defer cancelLook()
	shown, lookErr := chromedp.Run(look, chromedp.Evaluate[string](`document.location + " shows:\n" + (document.body?.innerText ?? "")`))
	if lookErr != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s: %w; %s", what, err, shown)
}
