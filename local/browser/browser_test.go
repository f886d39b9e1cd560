package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// page is built as the sample app's: a form that posts by fetch, whose button is off while the field is empty, and a
// list that takes in what the server answers.
const page = `<!doctype html><meta charset="utf-8"><title>Items</title>
<main>
<h1>Items</h1>
<form><label>New item <input maxlength="200"></label><button disabled>Add</button></form>
<p role="alert"></p>
<ul></ul>
<footer>Backend <code>unknown</code></footer>
<div style="height: 2000px"></div>
</main>
<script>
const [form, field, button, list, problem] = ["form", "input", "button", "ul", "p"].map(name => document.querySelector(name));
const show = (item, where) => { const row = document.createElement("li"); row.textContent = item.name; list[where](row); };
field.oninput = () => { button.disabled = field.value.trim() === ""; };
fetch("/api/items").then(answer => answer.json()).then(items => items.forEach(item => show(item, "append")));
fetch("/api/revision").then(answer => answer.json()).then(answer => { document.querySelector("code").textContent = answer.revision; });
form.onsubmit = async event => {
  event.preventDefault();
  button.disabled = true;
  const answer = await fetch("/api/items", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({name: field.value})});
  if (!answer.ok) { problem.textContent = "The item was not added: " + answer.status; return; }
  show(await answer.json(), "prepend");
  field.value = "";
};
</script>`

type item struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
}

// app serves page and its API; an item named bad is refused.
func app(t *testing.T) string {
	t.Helper()
	var mu sync.Mutex
	items := []item{{ID: 1, Name: "first"}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, page) })
	mux.HandleFunc("GET /api/revision", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, `{"revision": "abc123"}`) })
	mux.HandleFunc("GET /api/items", func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_ = json.NewEncoder(w).Encode(items)
	})
	mux.HandleFunc("POST /api/items", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		added := item{ID: len(items) + 1}
		if err := json.NewDecoder(r.Body).Decode(&added); err != nil || added.Name == "bad" {
			w.WriteHeader(http.StatusUnprocessableEntity)
			return
		}
		items = slices.Insert(items, 0, added)
		_ = json.NewEncoder(w).Encode(added)
	})
	mux.HandleFunc("GET /broken", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, `<!doctype html><link rel="icon" href="data:,"><body>Broken<img src="/missing.png">
<script>console.log("a note"); console.error("it says", 7); Promise.reject(new Error("nobody waits")); undefinedFunction()</script>`)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func open(t *testing.T) *Browser {
	t.Helper()
	b, err := Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestAddItem holds that a page is used as by a person: what was there is shown, a form is filled and sent, and the
// list has the new item; and that all of it is in a screenshot, and nothing on the console.
func TestAddItem(t *testing.T) {
	url := app(t)
	b := open(t)
	must(t, b.Goto(url))
	must(t, b.WaitText("first"))
	must(t, b.WaitText("Backend abc123"))
	must(t, b.Fill("New item", "wrong"))
	must(t, b.Fill("New item", "büro & <b>'s"))
	must(t, b.Click("Add"))
	must(t, b.WaitText("büro & <b>'s"))
	text, err := b.Text("ul li:first-child")
	must(t, err)
	if text != "büro & <b>'s" {
		t.Errorf("the first item is %q", text)
	}
	must(t, b.Goto(url)) // it is the server that has it
	must(t, b.WaitText("büro & <b>'s"))

	file := filepath.Join(t.TempDir(), "page.png")
	must(t, b.Screenshot(file))
	content, err := os.Open(file)
	must(t, err)
	defer func() { _ = content.Close() }()
	image, err := png.Decode(content)
	must(t, err)
	if size := image.Bounds().Size(); size.X < 800 || size.X > 1200 || size.Y < 2000 || size.Y > 3000 {
		t.Errorf("the screenshot of a page of some 1024 x 2200 is %v", size)
	}
	colours := map[any]bool{}
	for x := range 300 {
		for y := range 300 {
			colours[image.At(x, y)] = true
		}
	}
	if len(colours) < 3 {
		t.Errorf("the screenshot is blank: it has %d colours", len(colours))
	}
	messages, err := b.Errors()
	if err != nil || len(messages) > 0 {
		t.Errorf("the console has %v, %v", messages, err)
	}
}

// TestFillEmpty holds that a field can be emptied, which the form's button shows.
func TestFillEmpty(t *testing.T) {
	b := open(t)
	must(t, b.Goto(app(t)))
	must(t, b.Fill("New item", "x"))
	must(t, b.Fill("New item", ""))
	if text, err := b.Text("form:has(button:disabled) label"); err != nil || !strings.Contains(text, "New item") {
		t.Errorf("got %q, %v", text, err)
	}
}

// TestErrors holds that what goes wrong in a page is told, each time once, and what only notes something is not among
// it.
func TestErrors(t *testing.T) {
	url := app(t)
	b := open(t)
	must(t, b.Goto(url+"/broken"))
	messages, err := b.Errors()
	must(t, err)
	for _, want := range []string{"error: it says 7", "ReferenceError: undefinedFunction", "nobody waits", "404", "missing.png"} {
		if !slices.ContainsFunc(messages, func(m Message) bool { return strings.Contains(m.String(), want) }) {
			t.Errorf("%q is not in %v", want, messages)
		}
	}
	if len(messages) != 4 {
		t.Errorf("%d errors: %v", len(messages), messages)
	}
	all, err := b.Console()
	if err != nil || len(all) != 5 || !slices.Contains(all, Message{Kind: "log", Text: "a note", URL: url + "/broken"}) {
		t.Errorf("the console has %v, %v", all, err)
	}

	must(t, b.Goto(url))
	must(t, b.Fill("New item", "bad"))
	must(t, b.Click("Add"))
	must(t, b.WaitText("The item was not added: 422"))
	messages, err = b.Errors()
	if err != nil || len(messages) != 5 || !strings.Contains(messages[4].String(), "422") {
		t.Errorf("a refused request is not in %v, %v", messages, err)
	}
}

// TestGotoFails holds that a page that is not there is an error that says why.
func TestGotoFails(t *testing.T) {
	url := app(t)
	b := open(t)
	if err := b.Goto(url + "/nowhere"); err == nil || !strings.Contains(err.Error(), "status 404") {
		t.Errorf("got %v", err)
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	if err := b.Goto(closed.URL); err == nil || !strings.Contains(err.Error(), "ERR_CONNECTION_REFUSED") {
		t.Errorf("got %v", err)
	}
	if err := b.Click(`say "yes"`); err == nil || !strings.Contains(err.Error(), "double quote") {
		t.Errorf("got %v", err)
	}
}

// TestEndOfContext holds that a browser ends with its context, that waiting for what does not come ends as well, and
// that no profile is left.
func TestEndOfContext(t *testing.T) {
	temp, err := os.MkdirTemp("", "b") // t.TempDir is too long for Chromium's socket
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(temp) })
	t.Setenv("TMPDIR", temp)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b, err := Open(ctx)
	must(t, err)
	must(t, b.Goto(app(t)))
	time.AfterFunc(200*time.Millisecond, cancel)
	if err := b.WaitText("what never comes"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(temp)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
