package cloud

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"regexp"
	"sync"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem" // how it keeps blobs
	"github.com/sirupsen/logrus"

	"slipway/local/awsapi"
	"slipway/local/faults"
)

const registryUser = "AWS"

// registry is a real OCI registry that behaves as ECR's does: it asks for credentials, knows only repositories that were
// created, and keeps immutable tags. What is pushed is told to moto, so that ECR's API shows it.
type registry struct {
	next     http.Handler
	password string
	api      client
	faults   *faults.Set
	tagging  sync.Mutex // of two that push one immutable tag at once, ECR takes one
}

func newRegistry(ctx context.Context, dir, password string, api client, set *faults.Set) http.Handler {
	logrus.SetLevel(logrus.ErrorLevel) // the library's own; it would tell of every request
	config := &configuration.Configuration{Storage: configuration.Storage{
		"filesystem": {"rootdirectory": dir},
		"delete":     {"enabled": true},
	}}
	config.HTTP.Secret = password // signs the state of uploads
	config.Log.AccessLog.Disabled = true
	config.Log.Level = "error"
	return &registry{next: handlers.NewApp(ctx, config), password: password, api: api, faults: set}
}

var (
	repositoryPath = regexp.MustCompile(`^/v2/(.+)/(manifests|blobs|tags)/(.*)$`)
	digestForm     = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// ServeHTTP implements http.Handler.
func (g *registry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.faults.Has(faults.Registry) {
		refuse(w, http.StatusServiceUnavailable, "UNAVAILABLE", "The registry refuses on demand; end the fault with `local fault clear`.")
		return
	}
	user, password, ok := r.BasicAuth()
	if !ok || user != registryUser || subtle.ConstantTimeCompare([]byte(password), []byte(g.password)) != 1 {
		w.Header().Set("WWW-Authenticate", `Basic realm="ECR"`)
		refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "Your authorization token is not valid. Log in again.")
		return
	}
	match := repositoryPath.FindStringSubmatch(r.URL.Path)
	if match == nil {
		g.next.ServeHTTP(w, r)
		return
	}
	name, kind, reference := match[1], match[2], match[3]
	mutability, err := g.api.tagMutability(r.Context(), name)
	if err != nil {
		refuse(w, http.StatusNotFound, "NAME_UNKNOWN", fmt.Sprintf(
			"The repository with name '%s' does not exist in the registry with id '%s'", name, awsapi.Account))
		return
	}
	if r.Method != http.MethodPut || kind != "manifests" {
		g.next.ServeHTTP(w, r)
		return
	}
	g.putManifest(w, r, name, reference, mutability == "IMMUTABLE")
}

// putManifest keeps a manifest. ECR refuses a tag that an immutable repository has, even for the same content.
func (g *registry) putManifest(w http.ResponseWriter, r *http.Request, name, reference string, immutable bool) {
	manifest, err := io.ReadAll(io.LimitReader(r.Body, 4<<20))
	if err != nil {
		refuse(w, http.StatusBadRequest, "MANIFEST_INVALID", err.Error())
		return
	}
	tagged := !digestForm.MatchString(reference)
	if tagged && immutable {
		g.tagging.Lock()
		defer g.tagging.Unlock()
		if g.api.hasTag(r.Context(), name, reference) {
			refuse(w, http.StatusBadRequest, "TAG_INVALID", fmt.Sprintf(
				"The image tag '%s' already exists in the '%s' repository and cannot be overwritten because the tag is immutable.",
				reference, name))
			return
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(manifest))
	answer := &status{ResponseWriter: w}
	g.next.ServeHTTP(answer, r)
	if answer.code != http.StatusCreated || !tagged {
		return
	}
	// The push has succeeded; should moto not take it, the image is there and ECR's API does not show it, as is told.
	if err := g.api.putImage(context.WithoutCancel(r.Context()), name, reference, r.Header.Get("Content-Type"), manifest); err != nil {
		log.Printf("registry: %s:%s is pushed, but ECR's API does not show it: %v", name, reference, err)
	}
}

type status struct {
	http.ResponseWriter
	code int
}

// WriteHeader notes the code.
func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

// refuse answers in the form of the OCI distribution specification.
func refuse(w http.ResponseWriter, httpStatus int, code, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(httpStatus)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []map[string]string{{"code": code, "message": text}}})
}
