package dockerplugin

import (
	"testing"

	"github.com/moby/buildkit/session/auth"
)

// TestCredentials holds that the registry of the image learns its user and password, and no other registry does.
func TestCredentials(t *testing.T) {
	mine := credentials{host: "127.0.0.1:5000", username: user, password: password}
	for host, want := range map[string][2]string{mine.host: {user, password}, "127.0.0.1:5001": {}, "registry.example.com": {}, "": {}} {
		got, err := mine.Credentials(t.Context(), &auth.CredentialsRequest{Host: host})
		if err != nil || got.GetUsername() != want[0] || got.GetSecret() != want[1] {
			t.Errorf("%q gets %q and %q, %v, want %q", host, got.GetUsername(), got.GetSecret(), err, want)
		}
	}
}
