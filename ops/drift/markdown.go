package drift

import (
	"fmt"
	"strings"
)

// longest is how many bytes of a value are shown: policies and container definitions are long, and a reader wants to know
// where to look.
const longest = 120

// Markdown tells a person what drifted, and what to type.
func Markdown(stack string, changes []Change) string {
	var b strings.Builder
	if len(changes) == 0 {
		fmt.Fprintf(&b, "### %s: no drift\n\nThe cloud is as the state says. Images are not compared: a refresh cannot read them.\n", stack)
		return b.String()
	}
	fmt.Fprintf(&b, "### %s: %s from the state\n\n", stack, count(len(changes), "resource differs", "resources differ"))
	b.WriteString("| resource | property | in the state | in the cloud |\n|---|---|---|---|\n")
	for _, change := range changes {
		who := fmt.Sprintf("%s `%s`", change.Type, change.Name)
		switch {
		case change.Gone:
			fmt.Fprintf(&b, "| %s | | | **gone** |\n", who)
		case len(change.Properties) == 0:
			fmt.Fprintf(&b, "| %s | (the provider does not say which) | | |\n", who)
		}
		for _, property := range change.Properties {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", who, code(property.Path), code(property.Was), code(property.Is))
		}
	}
	fmt.Fprintf(&b, "\n`make refresh STACK=%[1]s` and then `make up STACK=%[1]s` put back what the program declares. To keep a change, write it into the "+
		"program first.\n", stack)
	return b.String()
}

// Line tells the same in one line, for a message.
func Line(changes []Change) string {
	if len(changes) == 0 {
		return "no drift"
	}
	names := make([]string, len(changes))
	for i, change := range changes {
		names[i] = change.Name
	}
	return count(len(changes), "resource differs", "resources differ") + " from the state: " + strings.Join(names, ", ")
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// code is a value for one cell of a table, cut where it is long. A bar or a line's end would end the cell, a backquote the
// code.
func code(value string) string {
	if value == "" {
		return ""
	}
	if len(value) > longest {
		value = strings.ToValidUTF8(value[:longest], "") + "..."
	}
	return "`" + strings.NewReplacer("|", `\|`, "\n", " ", "\r", " ", "`", "'").Replace(value) + "`"
}
