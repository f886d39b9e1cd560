// Package dockerplugin is a Pulumi provider with one resource, docker:index/image:Image, for machines that cannot have the
// official Docker plugin. It takes the same inputs and gives the same outputs, builds with a real Docker Engine and pushes
// to a real registry. What it leaves out: every other resource, credentials for base images, and import.
package dockerplugin

import (
	"context"
	"fmt"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// Version is the version of the SDK package that the program imports: the engine asks for a plugin of that version.
const Version = "4.11.2"

const imageType = "docker:index/image:Image"

// engineCheck is how often the engine is asked whether it is still there.
const engineCheck = 5 * time.Second

// Serve serves the provider on a loopback port, which it prints, until the engine ends the process, or has died itself.
// args holds the address of the engine's own service, to which logs go.
func Serve(args []string) error {
	p := &provider{}
	ended := make(chan bool)
	if len(args) > 0 {
		if err := rpcutil.Healthcheck(context.Background(), args[0], engineCheck, func() { close(ended) }); err != nil {
			return fmt.Errorf("watch the engine at %s: %w", args[0], err)
		}
		connection, err := grpc.NewClient(args[0], grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return fmt.Errorf("connect to the engine at %s: %w", args[0], err)
		}
		p.engine = pulumirpc.NewEngineClient(connection)
	}
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Init: func(server *grpc.Server) error {
			pulumirpc.RegisterResourceProviderServer(server, p)
			return nil
		},
		Cancel:  ended,
		Options: rpcutil.OpenTracingServerInterceptorOptions(nil),
	})
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	fmt.Println(handle.Port) //nolint:forbidigo // how the engine learns where to connect
	return <-handle.Done
}

type provider struct {
	pulumirpc.UnimplementedResourceProviderServer
	engine pulumirpc.EngineClient // nil where nobody asked for logs
}

// Attach implements the provider protocol: the engine names the address of its own service after the start.
func (p *provider) Attach(_ context.Context, req *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	connection, err := grpc.NewClient(req.GetAddress(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, fmt.Errorf("connect to the engine at %s: %w", req.GetAddress(), err)
	}
	p.engine = pulumirpc.NewEngineClient(connection)
	return &emptypb.Empty{}, nil
}

// GetPluginInfo implements the provider protocol.
func (p *provider) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: Version}, nil
}

// GetSchema implements the provider protocol; the program's SDK was generated from the official schema.
func (p *provider) GetSchema(context.Context, *pulumirpc.GetSchemaRequest) (*pulumirpc.GetSchemaResponse, error) {
	return &pulumirpc.GetSchemaResponse{Schema: `{"name":"docker","version":"` + Version + `"}`}, nil
}

// CheckConfig implements the provider protocol: the engine to use comes from the environment, as for the docker command.
func (p *provider) CheckConfig(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: req.GetNews()}, nil
}

// DiffConfig implements the provider protocol.
func (p *provider) DiffConfig(context.Context, *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	return &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}, nil
}

// Configure implements the provider protocol.
func (p *provider) Configure(context.Context, *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	return &pulumirpc.ConfigureResponse{AcceptSecrets: true}, nil
}

// Cancel implements the provider protocol; the cancelled requests' contexts end what is under way.
func (p *provider) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

// Check fills in defaults, and the hash of the build context, so that a changed file shows as a changed input.
func (p *provider) Check(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	if err := known(req.GetUrn()); err != nil {
		return nil, err
	}
	inputs, err := plugin.UnmarshalProperties(req.GetNews(), marshalling)
	if err != nil {
		return nil, fmt.Errorf("read the inputs of %s: %w", req.GetUrn(), err)
	}
	build := resource.PropertyMap{}
	if given, ok := inputs["build"]; ok && given.IsObject() {
		build = given.ObjectValue().Copy()
	}
	for name, value := range map[string]string{"context": ".", "builderVersion": builderBuildKit} {
		key := resource.PropertyKey(name)
		if _, ok := build[key]; !ok {
			build[key] = resource.NewStringProperty(value)
		}
	}
	folder := build["context"]
	if _, ok := build["dockerfile"]; !ok && folder.IsString() {
		build["dockerfile"] = resource.NewStringProperty(folder.StringValue() + "/Dockerfile")
	}
	if file := build["dockerfile"]; folder.IsString() && file.IsString() {
		digest, err := contextDigest(folder.StringValue(), file.StringValue())
		if err != nil {
			//nolint:nilerr // a failed check is an answer, not an error of the call
			return &pulumirpc.CheckResponse{Inputs: req.GetNews(), Failures: []*pulumirpc.CheckFailure{
				{Property: "build", Reason: err.Error()},
			}}, nil
		}
		build["contextDigest"] = resource.NewStringProperty(digest)
	}
	inputs["build"] = resource.NewObjectProperty(build)
	checked, err := plugin.MarshalProperties(inputs, marshalling)
	return &pulumirpc.CheckResponse{Inputs: checked}, err
}

// marshalling keeps what is not known yet, and keeps secrets secret.
var marshalling = plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, KeepResources: true, SkipNulls: true}

// Diff compares inputs. Registry credentials do not count: ECR's change every 12 hours. Nothing replaces an image.
func (p *provider) Diff(_ context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	olds, err := comparable(req.GetOldInputs())
	if err != nil {
		return nil, err
	}
	news, err := comparable(req.GetNews())
	if err != nil {
		return nil, err
	}
	diff := olds.Diff(news)
	if diff == nil {
		return &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}, nil
	}
	response := &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_SOME}
	for _, key := range diff.ChangedKeys() {
		response.Diffs = append(response.Diffs, string(key))
	}
	return response, nil
}

func comparable(inputs *structpb.Struct) (resource.PropertyMap, error) {
	properties, err := plugin.UnmarshalProperties(inputs, plugin.MarshalOptions{KeepUnknowns: true, SkipNulls: true})
	if err != nil {
		return nil, fmt.Errorf("read the inputs: %w", err)
	}
	if registry, ok := properties["registry"]; ok && registry.IsObject() {
		public := registry.ObjectValue().Copy()
		delete(public, "username")
		delete(public, "password")
		properties["registry"] = resource.NewObjectProperty(public)
	}
	return properties, nil
}

// Create builds and pushes.
func (p *provider) Create(ctx context.Context, req *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	outputs, name, err := p.make(ctx, req.GetUrn(), req.GetProperties())
	if err != nil {
		return nil, err
	}
	return &pulumirpc.CreateResponse{Id: name, Properties: outputs}, nil
}

// Update builds and pushes again.
func (p *provider) Update(ctx context.Context, req *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	outputs, _, err := p.make(ctx, req.GetUrn(), req.GetNews())
	if err != nil {
		return nil, err
	}
	return &pulumirpc.UpdateResponse{Properties: outputs}, nil
}

// Read returns the state as it is: an image in a registry does not change.
func (p *provider) Read(_ context.Context, req *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	return &pulumirpc.ReadResponse{Id: req.GetId(), Properties: req.GetProperties(), Inputs: req.GetInputs()}, nil
}

// Delete leaves the image where it is, as the official provider does.
func (p *provider) Delete(context.Context, *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func known(urn string) error {
	if t := resource.URN(urn).Type(); t != imageType {
		return status.Errorf(codes.Unimplemented, "this stand-in has no resource %s, only %s; install the official Docker plugin", t, imageType)
	}
	return nil
}

// log tells the user something about a resource; ephemeral messages are shown while it is being made and then forgotten.
func (p *provider) log(ctx context.Context, urn, message string, ephemeral bool) {
	if p.engine == nil || message == "" {
		return
	}
	_, _ = p.engine.Log(ctx, &pulumirpc.LogRequest{
		Severity: pulumirpc.LogSeverity_INFO, Message: message, Urn: urn, Ephemeral: ephemeral,
	})
}
