package panope

import (
	"context"
	"math"
	"net"
	"net/netip"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"github.com/panope/panope/clients/go/panopev1"
)

// Client is a connection to one server. It is safe for concurrent use.
type Client struct {
	conn           *grpc.ClientConn
	classify       panopev1.ClassifyServiceClient
	detect         panopev1.DetectServiceClient
	segment        panopev1.SegmentServiceClient
	aliases        panopev1.AliasServiceClient
	depth          panopev1.DepthServiceClient
	ocr            panopev1.OcrServiceClient
	image          panopev1.ImageServiceClient
	video          panopev1.VideoServiceClient
	embed          panopev1.EmbedServiceClient
	generate       panopev1.GenerateServiceClient
	infer          panopev1.InferServiceClient
	jobs           panopev1.JobServiceClient
	generationJobs panopev1.GenerationJobServiceClient
	registry       panopev1.RegistryServiceClient
	rerank         panopev1.RerankServiceClient
	speech         panopev1.SpeechServiceClient
	text           panopev1.TextServiceClient
}

// Option changes how Dial connects.
type Option func(*settings)

// WithAPIKey sends a key with every call, as "authorization: Bearer KEY". Others on the way can read it unless the
// connection speaks TLS.
func WithAPIKey(key string) Option {
	return func(s *settings) { s.apiKey = key }
}

type settings struct {
	apiKey      string
	credentials credentials.TransportCredentials
	retries     RetryPolicy
	extra       []grpc.DialOption
}

// WithTransportCredentials connects by TLS. Default: plain text.
func WithTransportCredentials(c credentials.TransportCredentials) Option {
	return func(s *settings) { s.credentials = c }
}

// WithRetries says how far the server's hints to come back later are followed. Default: [DefaultRetryPolicy].
func WithRetries(policy RetryPolicy) Option {
	return func(s *settings) { s.retries = policy }
}

// WithDialOptions adds options of gRPC's own, such as interceptors.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(s *settings) { s.extra = append(s.extra, options...) }
}

// Dial makes a client of the server at address, HOST:PORT of its gRPC port. It does not wait for the connection: a
// server that is not there fails the first call with codes.Unavailable.
func Dial(address string, options ...Option) (*Client, error) {
	if strings.HasPrefix(address, "http://") || strings.HasPrefix(address, "https://") {
		return nil, invalidArgument("address", "the address of a gRPC server is HOST:PORT, not a URL; got %q", address)
	}
	s := settings{credentials: insecure.NewCredentials(), retries: DefaultRetryPolicy}
	for _, option := range options {
		option(&s)
	}
	dial := []grpc.DialOption{
		grpc.WithTransportCredentials(s.credentials),
		grpc.WithChainUnaryInterceptor(newRetrier(s.retries).intercept),
		// Large batches must come through.
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32), grpc.MaxCallSendMsgSize(math.MaxInt32)),
		// A half-open connection must be noticed.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: time.Minute, Timeout: 10 * time.Second, PermitWithoutStream: true,
		}),
	}
	if isLoopback(address) {
		dial = append(dial, grpc.WithNoProxy()) // a proxy of the environment cannot reach this machine's loopback
	}
	if s.apiKey != "" {
		dial = append(dial, grpc.WithPerRPCCredentials(apiKey(s.apiKey)))
	}
	conn, err := grpc.NewClient(address, append(dial, s.extra...)...)
	if err != nil {
		return nil, invalidArgument("address", "%v", err)
	}
	return &Client{
		conn:           conn,
		classify:       panopev1.NewClassifyServiceClient(conn),
		detect:         panopev1.NewDetectServiceClient(conn),
		segment:        panopev1.NewSegmentServiceClient(conn),
		aliases:        panopev1.NewAliasServiceClient(conn),
		depth:          panopev1.NewDepthServiceClient(conn),
		ocr:            panopev1.NewOcrServiceClient(conn),
		image:          panopev1.NewImageServiceClient(conn),
		video:          panopev1.NewVideoServiceClient(conn),
		embed:          panopev1.NewEmbedServiceClient(conn),
		generate:       panopev1.NewGenerateServiceClient(conn),
		infer:          panopev1.NewInferServiceClient(conn),
		jobs:           panopev1.NewJobServiceClient(conn),
		generationJobs: panopev1.NewGenerationJobServiceClient(conn),
		registry:       panopev1.NewRegistryServiceClient(conn),
		rerank:         panopev1.NewRerankServiceClient(conn),
		speech:         panopev1.NewSpeechServiceClient(conn),
		text:           panopev1.NewTextServiceClient(conn),
	}, nil
}

// Close ends the connection and every call that is still running on it.
func (c *Client) Close() error {
	return c.conn.Close()
}

// Conn is the connection, for stubs that this package does not wrap. Unary calls on it have the client's errors and
// retries; streams have gRPC's own errors.
func (c *Client) Conn() *grpc.ClientConn {
	return c.conn
}

// apiKey is a key as gRPC sends it.
type apiKey string

// GetRequestMetadata is what goes with each call.
func (k apiKey) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(k)}, nil
}

// RequireTransportSecurity allows plain text, as the server does on this machine.
func (k apiKey) RequireTransportSecurity() bool {
	return false
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
