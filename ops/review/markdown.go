package review

import (
	"fmt"
	"strings"
	"unicode"
)

// document is Markdown under way.
type document struct{ strings.Builder }

func (d *document) line(s string) { _, _ = d.WriteString(s + "\n") }

// table writes rows until share bytes are used, and says how many are left out. Cells are escaped already.
func (d *document) table(head []string, rows [][]string, share int) {
	d.line("")
	end := d.Len() + share
	d.line("| " + strings.Join(head, " | ") + " |")
	d.line("|" + strings.Repeat("---|", len(head)))
	for i, row := range rows {
		line := "| " + strings.Join(row, " | ") + " |"
		if d.Len()+len(line)+100 > end {
			d.line(fmt.Sprintf("\n%d more are left out here; the log of the job has them.", len(rows)-i))
			return
		}
		d.line(line)
	}
}

// What is shown of somebody else's text, in runes, and of causes.
const (
	nameLength  = 80
	causeLength = 60
	wordsLength = 160
	causeLimit  = 5
)

// code shows a name that somebody else chose. It stands in an element in which GitHub turns nothing into a link, a mention or
// a picture.
func code(s string) string { return "<code>" + escape(s, nameLength) + "</code>" }

// words shows a sentence of ours that may quote somebody else.
func words(s string) string { return "<code>" + escape(s, wordsLength) + "</code>" }

// escape makes text that is nothing but text, in Markdown and in HTML: everything but letters, digits, spaces and a few signs
// becomes a reference, which no syntax is made of. What does not print, or turns the direction of writing, is dropped.
func escape(s string, length int) string {
	var out strings.Builder
	for _, r := range strings.ToValidUTF8(s, "") {
		if !unicode.IsPrint(r) {
			continue
		}
		if length--; length < 0 {
			out.WriteString("…")
			break
		}
		if strings.ContainsRune(" ,-/→", r) || unicode.IsLetter(r) || unicode.IsDigit(r) {
			out.WriteRune(r)
		} else {
			_, _ = fmt.Fprintf(&out, "&#%d;", r)
		}
	}
	return out.String()
}

// because lists causes, the first few of them.
func because(causes []string) string {
	var all []string
	for _, cause := range causes[:min(len(causes), causeLimit)] {
		all = append(all, "<code>"+escape(cause, causeLength)+"</code>")
	}
	if more := len(causes) - len(all); more > 0 {
		all = append(all, fmt.Sprintf("%d more", more))
	}
	return strings.Join(all, ", ")
}
