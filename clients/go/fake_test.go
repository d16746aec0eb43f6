package panope_test

import (
	"context"
	"encoding/binary"
	"math"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"

	panope "github.com/panope/panope/clients/go"
	"github.com/panope/panope/clients/go/panopev1"
)

// failure is what one call of the fake fails with.
type failure struct {
	err     error
	trailer metadata.MD
}

// fake is a server of one model in this process. Calls fail with its failures in order, then they succeed.
type fake struct {
	panopev1.UnimplementedAliasServiceServer
	panopev1.UnimplementedClassifyServiceServer
	panopev1.UnimplementedEmbedServiceServer
	panopev1.UnimplementedGenerateServiceServer
	panopev1.UnimplementedInferServiceServer
	panopev1.UnimplementedJobServiceServer
	panopev1.UnimplementedGenerationJobServiceServer
	panopev1.UnimplementedRegistryServiceServer
	panopev1.UnimplementedDetectServiceServer
	panopev1.UnimplementedRerankServiceServer
	panopev1.UnimplementedTextServiceServer

	mu         sync.Mutex
	failures   []failure
	requests   []any
	metadata   []metadata.MD
	answer     *panopev1.EmbedResponse // instead of the right one
	incomplete bool                    // streams of answers end without their usage
	left       chan struct{}           // closed when the caller leaves an endless answer
}

// start serves the fake and connects a client to it; both end with the test.
func start(t *testing.T, f *fake, options ...panope.Option) *panope.Client {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	panopev1.RegisterAliasServiceServer(server, f)
	panopev1.RegisterClassifyServiceServer(server, f)
	panopev1.RegisterEmbedServiceServer(server, f)
	panopev1.RegisterGenerateServiceServer(server, f)
	panopev1.RegisterInferServiceServer(server, f)
	panopev1.RegisterJobServiceServer(server, f)
	panopev1.RegisterGenerationJobServiceServer(server, f)
	panopev1.RegisterRegistryServiceServer(server, f)
	panopev1.RegisterDetectServiceServer(server, f)
	panopev1.RegisterRerankServiceServer(server, f)
	panopev1.RegisterTextServiceServer(server, f)
	go func() { _ = server.Serve(listener) }() // ends with Stop
	t.Cleanup(server.Stop)

	dialer := func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }
	options = append(options, panope.WithDialOptions(grpc.WithContextDialer(dialer)))
	client, err := panope.Dial("passthrough:///fake", options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

func (f *fake) enter(ctx context.Context, request any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, request)
	md, _ := metadata.FromIncomingContext(ctx)
	f.metadata = append(f.metadata, md)
	if len(f.failures) == 0 {
		return nil
	}
	next := f.failures[0]
	f.failures = f.failures[1:]
	if err := grpc.SetTrailer(ctx, next.trailer); err != nil {
		return err
	}
	return next.err
}

func (f *fake) calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.requests)
}

// Embed gives each text the vector (its length, its position).
func (f *fake) Embed(ctx context.Context, request *panopev1.EmbedRequest) (*panopev1.EmbedResponse, error) {
	if err := f.enter(ctx, request); err != nil {
		return nil, err
	}
	if f.answer != nil {
		return f.answer, nil
	}
	answer := &panopev1.EmbedResponse{Model: request.GetModel(), Dimensions: 2}
	add := func(length int) {
		for _, value := range []float32{float32(length), float32(answer.Count)} {
			answer.Vectors = binary.LittleEndian.AppendUint32(answer.Vectors, math.Float32bits(value))
		}
		answer.TokenCounts = append(answer.TokenCounts, uint32(length)+2)
		answer.Count++
	}
	for _, text := range request.GetTexts() {
		add(len(text))
	}
	for _, sequence := range request.GetTokenSequences() {
		add(len(sequence.GetIds()))
	}
	for _, image := range request.GetImages() {
		add(len(image.GetContent()))
	}
	return answer, nil
}

// Infer gives back what came in.
func (f *fake) Infer(ctx context.Context, request *panopev1.InferRequest) (*panopev1.InferResponse, error) {
	if err := f.enter(ctx, request); err != nil {
		return nil, err
	}
	return &panopev1.InferResponse{
		Model: request.GetModel(), Outputs: request.GetInputs(), Value: request.GetValue(),
	}, nil
}

// ListModels has two pages.
func (f *fake) ListModels(
	ctx context.Context, request *panopev1.ListModelsRequest,
) (*panopev1.ListModelsResponse, error) {
	if err := f.enter(ctx, request); err != nil {
		return nil, err
	}
	if request.GetPageToken() == "" {
		first := []*panopev1.Model{{Name: "v/a"}, {Name: "v/b"}}
		return &panopev1.ListModelsResponse{Models: first, NextPageToken: "2"}, nil
	}
	return &panopev1.ListModelsResponse{Models: []*panopev1.Model{{Name: "v/c"}}}, nil
}

func (f *fake) GetModel(ctx context.Context, request *panopev1.GetModelRequest) (*panopev1.GetModelResponse, error) {
	if err := f.enter(ctx, request); err != nil {
		return nil, err
	}
	return &panopev1.GetModelResponse{Model: &panopev1.Model{Name: request.GetModel()}}, nil
}

func (f *fake) LoadModel(ctx context.Context, request *panopev1.LoadModelRequest) (*panopev1.LoadModelResponse, error) {
	if err := f.enter(ctx, request); err != nil {
		return nil, err
	}
	instance := &panopev1.Instance{Backend: request.GetBackend(), Precision: request.GetPrecision()}
	model := &panopev1.Model{
		Name: request.GetModel(), State: panopev1.Model_STATE_SERVING, Instances: []*panopev1.Instance{instance},
	}
	return &panopev1.LoadModelResponse{Model: model}, nil
}

func (f *fake) UnloadModel(
	ctx context.Context, request *panopev1.UnloadModelRequest,
) (*panopev1.UnloadModelResponse, error) {
	if err := f.enter(ctx, request); err != nil {
		return nil, err
	}
	model := &panopev1.Model{Name: request.GetModel(), State: panopev1.Model_STATE_UNLOADED}
	return &panopev1.UnloadModelResponse{Model: model}, nil
}

func (f *fake) ListDevices(
	ctx context.Context, request *panopev1.ListDevicesRequest,
) (*panopev1.ListDevicesResponse, error) {
	if err := f.enter(ctx, request); err != nil {
		return nil, err
	}
	devices := []*panopev1.Device{{Backend: "openvino", Name: "CPU"}, {Backend: "cpu", Name: "cpu"}}
	return &panopev1.ListDevicesResponse{Devices: devices}, nil
}

func (f *fake) GetCatalogue(
	ctx context.Context, request *panopev1.GetCatalogueRequest,
) (*panopev1.GetCatalogueResponse, error) {
	if err := f.enter(ctx, request); err != nil {
		return nil, err
	}
	entry := &panopev1.CatalogueEntry{ModelType: "bert", Task: request.GetTask(), Serves: true}
	return &panopev1.GetCatalogueResponse{Architectures: []*panopev1.CatalogueEntry{entry}}, nil
}
