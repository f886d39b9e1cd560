package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// listeners is the local addresses, in the kernel's hexadecimal form, on which TCP servers of this machine listen and that
// are not loopback.
func listeners(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Logf("not looked at: %v", err)
			continue
		}
		for line := range strings.Lines(string(content)) {
			fields := strings.Fields(line)
			const listening = "0A"
			if len(fields) < 4 || fields[3] != listening {
				continue
			}
			address := fields[1]
			// Bytes of an address stand in groups of four in the order of the machine, so 127.0.0.1 ends in 7F.
			v4 := len(address) == len("0100007F:0000") && strings.HasPrefix(address[6:], "7F")
			v6 := strings.HasPrefix(address, "00000000000000000000000001000000:") || strings.HasPrefix(address, "0000000000000000FFFF00000100007F:")
			if !v4 && !v6 {
				found[address] = true
			}
		}
	}
	return found
}

// quietly runs a command whose failure does not matter, and returns what it printed.
func quietly(name string, args ...string) string {
	out, _ := exec.Command(name, args...).CombinedOutput()
	return string(out)
}
