package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// group gives a command a process group of its own, by which its children are found.
func group(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// resident sums the resident memory of a process group, in bytes. Processes that end meanwhile do not count.
func resident(group int) int64 {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0
	}
	var sum int64
	for _, name := range stats {
		content, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		// The second field is a name in parentheses, in which anything may stand; the counting begins after it.
		_, rest, _ := strings.Cut(string(content), ") ")
		fields := strings.Fields(rest)
		const pgrp, rss = 2, 21 // proc(5) counts them 5 and 24
		if len(fields) <= rss || fields[pgrp] != strconv.Itoa(group) {
			continue
		}
		pages, err := strconv.ParseInt(fields[rss], 10, 64)
		if err == nil {
			sum += pages * int64(os.Getpagesize())
		}
	}
	return sum
}
