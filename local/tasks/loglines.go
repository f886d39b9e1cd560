package tasks

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"sync"
	"unicode/utf8"
)

// lines returns what turns the bytes written to it into events, a line each.
func (s *logStream) lines(group *sync.WaitGroup) *io.PipeWriter {
	reader, writer := io.Pipe()
	group.Go(func() {
		parts := bufio.NewScanner(reader)
		parts.Buffer(nil, maxEventBytes)
		parts.Split(splitLines)
		for parts.Scan() {
			if text := bytes.TrimRight(parts.Bytes(), "\r\n"); len(text) > 0 { // the service takes no empty event
				s.add(string(text))
			}
		}
	})
	return writer
}

// splitLines is a bufio.SplitFunc for lines, of which one that is too long for an event comes in parts.
func splitLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	n := bytes.IndexByte(data, '\n') + 1
	switch {
	case n > 0:
	case len(data) >= maxEventBytes:
		n = wholeCharacters(data)
	case atEOF:
		n = len(data)
	}
	if n == 0 {
		return 0, nil, nil // more is needed, or nothing is left
	}
	return n, data[:n], nil
}

// wholeCharacters is the length of a text without the character that its end cuts apart, if it does.
func wholeCharacters[T string | []byte](text T) int {
	for start := len(text) - 1; start >= 0 && start > len(text)-utf8.UTFMax; start-- {
		if utf8.RuneStart(text[start]) {
			if !utf8.FullRuneInString(string(text[start:])) {
				return start
			}
			break
		}
	}
	return len(text)
}

// add takes text in as events. What is not UTF-8 becomes so before it is measured, since it can get shorter or longer.
func (s *logStream) add(text string) {
	text = strings.ToValidUTF8(text, "\uFFFD")
	for len(text) > maxEventBytes {
		n := wholeCharacters(text[:maxEventBytes])
		s.addEvent(text[:n])
		text = text[n:]
	}
	s.addEvent(text)
}
