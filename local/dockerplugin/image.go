package dockerplugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/distribution/reference"
	buildtypes "github.com/docker/docker/api/types/build"
	imagetypes "github.com/docker/docker/api/types/image"
	registrytypes "github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/client"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"google.golang.org/protobuf/types/known/structpb"

	"slipway/local/dockerengine"
)

// The values of builderVersion.
const (
	builderBuildKit = "BuilderBuildKit"
	builderV1       = "BuilderV1"
)

// image is what one docker.Image is made from.
type image struct {
	name, context, dockerfile, target, platform, network string
	builder                                              string
	args                                                 map[string]*string
	hosts, cacheFrom                                     []string
	skipPush, noCache                                    bool
	server, username, password                           string
}

func parse(inputs resource.PropertyMap) (image, error) {
	build, registry := object(inputs["build"]), object(inputs["registry"])
	i := image{
		name: text(inputs["imageName"]), context: text(build["context"]), dockerfile: text(build["dockerfile"]),
		target: text(build["target"]), platform: text(build["platform"]), network: text(build["network"]),
		builder: text(build["builderVersion"]), args: map[string]*string{},
		skipPush: inputs["skipPush"].IsBool() && inputs["skipPush"].BoolValue(),
		server:   text(registry["server"]), username: text(registry["username"]), password: text(registry["password"]),
	}
	for name, value := range object(build["args"]) {
		argument := text(value)
		i.args[string(name)] = &argument
	}
	i.hosts = texts(build["addHosts"])
	i.cacheFrom = texts(object(build["cacheFrom"])["images"])
	if i.name == "" {
		return image{}, errors.New("imageName is empty; give HOST/NAME:TAG")
	}
	if i.builder != builderBuildKit && i.builder != builderV1 {
		return image{}, fmt.Errorf("builderVersion %q is neither %s nor %s", i.builder, builderBuildKit, builderV1)
	}
	return i, nil
}

func object(v resource.PropertyValue) resource.PropertyMap {
	if v.IsObject() {
		return v.ObjectValue()
	}
	return resource.PropertyMap{}
}

func text(v resource.PropertyValue) string {
	if v.IsString() {
		return v.StringValue()
	}
	return ""
}

func texts(v resource.PropertyValue) []string {
	var all []string
	if v.IsArray() {
		for _, element := range v.ArrayValue() {
			all = append(all, text(element))
		}
	}
	return all
}

// make builds an image, pushes it unless told not to, and returns the resource's outputs and its id.
func (p *provider) make(ctx context.Context, urn string, properties *structpb.Struct) (*structpb.Struct, string, error) {
	if err := known(urn); err != nil {
		return nil, "", err
	}
	inputs, err := plugin.UnmarshalProperties(properties, plugin.MarshalOptions{SkipNulls: true})
	if err != nil {
		return nil, "", fmt.Errorf("read the inputs of %s: %w", urn, err)
	}
	i, err := parse(inputs)
	if err != nil {
		return nil, "", err
	}
	docker, err := dockerengine.Connect()
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = docker.Close() }()
	if _, err := docker.Ping(ctx); err != nil {
		return nil, "", fmt.Errorf("no Docker Engine answers at %s: %w; start Docker, or set DOCKER_HOST", docker.DaemonHost(), err)
	}
	digest, err := p.build(ctx, docker, urn, i)
	if err != nil {
		return nil, "", fmt.Errorf("build %s: %w", i.name, err)
	}
	if !i.skipPush {
		p.log(ctx, urn, "pushing", true)
		if digest, err = push(ctx, docker, i); err != nil {
			return nil, "", fmt.Errorf("push %s: %w", i.name, err)
		}
	}
	relative, err := filepath.Rel(i.context, i.dockerfile)
	if err != nil {
		return nil, "", fmt.Errorf("place %s in %s: %w", i.dockerfile, i.context, err)
	}
	outputs, err := plugin.MarshalProperties(resource.NewPropertyMapFromMap(map[string]any{
		"baseImageName": i.name, "imageName": i.name, "context": i.context, "dockerfile": relative,
		"platform": i.platform, "registryServer": i.server, "repoDigest": digest,
	}), plugin.MarshalOptions{})
	return outputs, i.name, err
}

// Build is one build by itself, for whoever measures builds.
type Build struct {
	Name, Context, Dockerfile, Target, Platform, Network string
	Args                                                 map[string]string
	NoCache                                              bool // begin from nothing but the base image
}

// Run builds, and leaves the image with the engine.
func (b Build) Run(ctx context.Context) error {
	docker, err := dockerengine.Connect()
	if err != nil {
		return err
	}
	defer func() { _ = docker.Close() }()
	i := image{
		name: b.Name, context: b.Context, dockerfile: b.Dockerfile, target: b.Target, platform: b.Platform,
		network: b.Network, builder: builderBuildKit, args: map[string]*string{}, noCache: b.NoCache,
	}
	for name, value := range b.Args {
		i.args[name] = &value
	}
	if _, err := (&provider{}).build(ctx, docker, "", i); err != nil {
		return fmt.Errorf("build %s: %w", b.Name, err)
	}
	return nil
}

// build returns the id of the image that it made.
func (p *provider) build(ctx context.Context, docker *client.Client, urn string, i image) (string, error) {
	archive, inside, err := contextArchive(i.context, i.dockerfile)
	if err != nil {
		return "", err
	}
	defer func() { _ = archive.Close() }()
	options := buildtypes.ImageBuildOptions{
		Dockerfile: inside, Tags: []string{i.name}, BuildArgs: i.args, Target: i.target, Platform: i.platform,
		NetworkMode: i.network, ExtraHosts: i.hosts, CacheFrom: i.cacheFrom, NoCache: i.noCache,
		Version: buildtypes.BuilderBuildKit, Remove: true,
	}
	switch {
	case i.builder == builderV1:
		options.Version = buildtypes.BuilderV1
	case len(i.cacheFrom) > 0:
		id, end, err := openSession(ctx, docker, i)
		if err != nil {
			return "", err
		}
		defer end()
		options.SessionID = id
	}
	p.log(ctx, urn, "building", true)
	response, err := docker.ImageBuild(ctx, archive, options)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	var id string
	log := &tail{}
	err = messages(response.Body, func(m message) {
		if line := log.add(m); line != "" {
			p.log(ctx, urn, line, true)
		}
		var result struct{ ID string }
		if json.Unmarshal(m.Aux, &result) == nil && strings.HasPrefix(result.ID, "sha256:") {
			id = result.ID
		}
	})
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, log)
	}
	if id == "" {
		return "", fmt.Errorf("the engine ended the build without naming an image\n%s", log)
	}
	return id, nil
}

// push returns the reference by digest under which the registry keeps what it was sent.
func push(ctx context.Context, docker *client.Client, i image) (string, error) {
	auth, err := registrytypes.EncodeAuthConfig(registrytypes.AuthConfig{
		Username: i.username, Password: i.password, ServerAddress: i.server,
	})
	if err != nil {
		return "", fmt.Errorf("encode the registry's credentials: %w", err)
	}
	named, err := reference.ParseNormalizedNamed(i.name)
	if err != nil {
		return "", fmt.Errorf("understand the name: %w", err)
	}
	body, err := docker.ImagePush(ctx, i.name, imagetypes.PushOptions{RegistryAuth: auth})
	if err != nil {
		return "", err
	}
	defer func() { _ = body.Close() }()
	var digest string
	err = messages(body, func(m message) {
		var result struct{ Digest string }
		if json.Unmarshal(m.Aux, &result) == nil && result.Digest != "" {
			digest = result.Digest
		}
	})
	if err != nil {
		return "", err
	}
	if digest == "" {
		return "", errors.New("the engine ended the push without naming a digest")
	}
	return reference.FamiliarName(reference.TrimNamed(named)) + "@" + digest, nil
}

// message is one line of the engine's progress, with the fields that matter here.
type message struct {
	ID     string          `json:"id"`
	Stream string          `json:"stream"`
	Aux    json.RawMessage `json:"aux"`
	Error  string          `json:"error"`
}

// messages reads the engine's progress to its end; an error that it reports is the error.
func messages(body io.Reader, each func(message)) error {
	decoder := json.NewDecoder(body)
	for {
		var m message
		err := decoder.Decode(&m)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the engine's progress: %w", err)
		}
		if m.Error != "" {
			return errors.New(m.Error)
		}
		each(m)
	}
}
