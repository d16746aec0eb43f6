package panope_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	panope "github.com/panope/panope/clients/go"
	"github.com/panope/panope/clients/go/panopev1"
)

const model = "vendor/fake"

func TestVectorsComeInTheOrderOfTheTexts(t *testing.T) {
	client := start(t, &fake{})

	got, err := client.Embed(t.Context(), model, []string{"aaa", "b"})
	if err != nil {
		t.Fatal(err)
	}

	want := &panope.Embeddings{
		Model: model, Vectors: [][]float32{{3, 0}, {1, 1}}, TokenCounts: []uint32{5, 3},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAnAppendToOneVectorLeavesTheNextAlone(t *testing.T) {
	client := start(t, &fake{})

	got, err := client.Embed(t.Context(), model, []string{"aaa", "b"})
	if err != nil {
		t.Fatal(err)
	}

	_ = append(got.Vectors[0], 99)
	if got.Vectors[1][0] != 1 {
		t.Errorf("the next vector changed: %v", got.Vectors[1])
	}
}

func TestOptionsReachTheServerFalsyOnesToo(t *testing.T) {
	f := &fake{}
	client := start(t, f)

	ids := [][]uint32{{101, 7, 102}}
	_, err := client.EmbedTokens(t.Context(), model, ids, panope.WithTruncation(panope.TruncationStart),
		panope.WithNormalize(false), panope.WithDimensions(0), panope.WithPromptName(""))
	if err != nil {
		t.Fatal(err)
	}

	request := f.requests[0].(*panopev1.EmbedRequest)
	if request.Truncation != panope.TruncationStart || *request.Normalize || *request.Dimensions != 0 ||
		*request.PromptName != "" || !slices.Equal(request.TokenSequences[0].Ids, ids[0]) {
		t.Errorf("got %v", request)
	}
}

func TestVectorsThatDoNotFitTheirCountAreRefused(t *testing.T) {
	client := start(t, &fake{answer: &panopev1.EmbedResponse{Vectors: make([]byte, 20), Count: 2, Dimensions: 3}})

	_, err := client.Embed(t.Context(), model, []string{"a", "b"})

	if err == nil || !strings.Contains(err.Error(), "2 vectors of 3 values cannot have 20 bytes") {
		t.Errorf("got %v", err)
	}
}

func TestModelsAndDevices(t *testing.T) {
	client := start(t, &fake{})

	models, err := client.Models(t.Context(), "embed")
	if err != nil {
		t.Fatal(err)
	}
	if len(models) != 3 || models[2].GetName() != "v/c" {
		t.Errorf("got %v, want all pages", models)
	}
	one, err := client.Model(t.Context(), model)
	if err != nil || one.GetName() != model {
		t.Errorf("got %v, %v", one, err)
	}
	loaded, err := client.Load(t.Context(), model, panope.WithBackend("openvino"), panope.WithPrecision("bf16"))
	if err != nil {
		t.Fatal(err)
	}
	instance := loaded.GetInstances()[0]
	if instance.GetBackend() != "openvino" || instance.GetPrecision() != "bf16" {
		t.Errorf("got %v", instance)
	}
	unloaded, err := client.Unload(t.Context(), model)
	if err != nil || unloaded.GetState() != panopev1.Model_STATE_UNLOADED {
		t.Errorf("got %v, %v", unloaded, err)
	}
	devices, err := client.Devices(t.Context())
	if err != nil || len(devices) != 2 || devices[0].GetBackend() != "openvino" {
		t.Errorf("got %v, %v", devices, err)
	}
	found, err := client.Catalogue(t.Context(), "embed", "")
	if err != nil || found.GetArchitectures()[0].GetTask() != "embed" {
		t.Errorf("got %v, %v", found, err)
	}
}

func TestErrorsCarryWhatTheServerSaid(t *testing.T) {
	refusal := withDetails(t, status.New(codes.InvalidArgument, "too long"),
		&errdetails.ErrorInfo{Reason: "INVALID_INPUT", Domain: "panope"},
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "texts[1]"}}},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Hour)})
	client := start(t, &fake{failures: []failure{{refusal, metadata.Pairs("x-request-id", "r1")}}})

	_, err := client.Embed(t.Context(), model, []string{"a"})

	var got *panope.Error
	if !errors.As(err, &got) {
		t.Fatalf("got %T %v", err, err)
	}
	if got.Code != codes.InvalidArgument || got.Message != "too long" || got.Reason != "invalid_input" ||
		got.Field != "texts[1]" || got.RetryAfter != time.Hour || got.RequestID != "r1" {
		t.Errorf("got %+v", got)
	}
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("status.Code reads %v", status.Code(err))
	}
	if err.Error() != "panope: too long (invalid_input)" {
		t.Errorf("got %q", err.Error())
	}
}

func TestADeadlineMatchesTheErrorOfContexts(t *testing.T) {
	client := start(t, &fake{})
	ctx, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()

	_, err := client.Devices(ctx)

	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestAServerThatIsNotThereIsUnavailable(t *testing.T) {
	client, err := panope.Dial("127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	_, err = client.Devices(t.Context())

	if status.Code(err) != codes.Unavailable {
		t.Errorf("got %v", err)
	}
}

func TestAURLIsRefusedWithTheRightForm(t *testing.T) {
	_, err := panope.Dial("http://localhost:8001")

	var got *panope.Error
	if !errors.As(err, &got) || got.Field != "address" || !strings.Contains(got.Message, "HOST:PORT, not a URL") {
		t.Errorf("got %v", err)
	}
}

func withDetails(t *testing.T, st *status.Status, details ...protoadapt.MessageV1) error {
	t.Helper()
	st, err := st.WithDetails(details...)
	if err != nil {
		t.Fatal(err)
	}
	return st.Err()
}
