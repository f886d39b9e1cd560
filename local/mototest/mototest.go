// Package mototest gives a test an AWS emulator of its own, with nothing in it.
package mototest

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"slipway/local/awsapi"
	"slipway/local/tools"
)

// Cache is where the emulator and the CLI are, or are made.
func Cache(t *testing.T) tools.Cache {
	t.Helper()
	dir, err := tools.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	return tools.Cache{Dir: dir, Out: t.Output()}
}

// Start starts an emulator with nothing in it, which ends with the test. The test's package stands one folder below the module.
func Start(t *testing.T) (endpoint string) {
	t.Helper()
	arguments, err := Cache(t).Moto(t.Context(), "..")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // another process may take the port that was found free
		probe, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := probe.Addr().(*net.TCPAddr)
		_ = probe.Close()
		command := exec.Command(arguments[0], append(arguments[1:], "-H", "127.0.0.1", "-p", strconv.Itoa(address.Port))...) //nolint:noctx // ended below, and by the kernel with us
		command.Stderr = t.Output()
		command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		command.Env = append(os.Environ(), "MOTO_ACCOUNT_ID="+awsapi.Account)
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			_ = command.Wait()
			close(ended)
		}()
		t.Cleanup(func() {
			_ = command.Process.Kill()
			<-ended
		})
		if endpoint := "http://" + address.String(); answers(t.Context(), endpoint, ended) {
			return endpoint
		}
	}
	t.Fatal("moto does not answer")
	return ""
}

// answers waits until moto answers, or has ended.
func answers(ctx context.Context, endpoint string, ended <-chan struct{}) bool {
	late := time.After(2 * time.Minute)
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/moto-api/data.json", nil)
		if err != nil {
			return false
		}
		if answer, err := http.DefaultClient.Do(request); err == nil {
			_ = answer.Body.Close()
			return answer.StatusCode == http.StatusOK
		}
		select {
		case <-ended:
			return false
		case <-late:
			return false
		case <-time.After(100 * time.Millisecond):
		}
	}
}
