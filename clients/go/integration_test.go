package panope_test

import (
	"errors"
	"math"
	"os"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	panope "github.com/panope/panope/clients/go"
)

// live connects to the server that PANOPE_ADDRESS names and tells its model, which PANOPE_MODEL names.
func live(t *testing.T) (*panope.Client, string) {
	t.Helper()
	address, model := os.Getenv("PANOPE_ADDRESS"), os.Getenv("PANOPE_MODEL")
	if address == "" || model == "" {
		t.Skip("needs a server: set PANOPE_ADDRESS to HOST:PORT and PANOPE_MODEL to a model that embeds")
	}
	client, err := panope.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client, model
}

func TestLiveServerEmbeds(t *testing.T) {
	client, model := live(t)

	texts := []string{"A cat sits on the mat.", "A kitten rests on a rug.", "Interest rates rose again."}
	got, err := client.Embed(t.Context(), model, texts, panope.WithNormalize(true))
	if err != nil {
		t.Fatal(err)
	}

	if len(got.Vectors) != len(texts) || got.Model != model {
		t.Fatalf("got %d vectors of %q", len(got.Vectors), got.Model)
	}
	if near, far := dot(got.Vectors[0], got.Vectors[1]), dot(got.Vectors[0], got.Vectors[2]); near <= far {
		t.Errorf("cosine of near texts %.3f, of far texts %.3f", near, far)
	}
	if length := dot(got.Vectors[0], got.Vectors[0]); math.Abs(length-1) > 1e-3 {
		t.Errorf("squared length %.5f", length)
	}
}

func TestLiveServerGivesTheSameVectorAloneAndInABatch(t *testing.T) {
	client, model := live(t)

	batch, err := client.Embed(t.Context(), model, []string{"one", "a much longer text than the first one", "two"})
	if err != nil {
		t.Fatal(err)
	}
	alone, err := client.Embed(t.Context(), model, []string{"two"})
	if err != nil {
		t.Fatal(err)
	}

	a, b := batch.Vectors[2], alone.Vectors[0]
	if cosine := dot(a, b) / math.Sqrt(dot(a, a)*dot(b, b)); cosine < 0.999 {
		t.Errorf("cosine %.6f", cosine)
	}
}

func TestLiveServerListsLoadsAndTells(t *testing.T) {
	client, model := live(t)

	loaded, err := client.Load(t.Context(), model)
	if err != nil {
		t.Fatal(err)
	}
	if loaded.GetName() != model || len(loaded.GetInstances()) == 0 {
		t.Errorf("got %v", loaded)
	}
	models, err := client.Models(t.Context(), "embed")
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, m := range models {
		found = found || m.GetName() == model
	}
	if !found {
		t.Errorf("%s is not among %v", model, models)
	}
	devices, err := client.Devices(t.Context())
	if err != nil || len(devices) == 0 {
		t.Errorf("got %v, %v", devices, err)
	}
}

func TestLiveServerRefusesWithReasons(t *testing.T) {
	client, model := live(t)

	_, err := client.Embed(t.Context(), "vendor/does-not-exist", []string{"a"})
	check(t, err, codes.NotFound, "model_not_found", "")

	_, err = client.Embed(t.Context(), model, nil)
	check(t, err, codes.InvalidArgument, "", "texts")
}

func check(t *testing.T, err error, code codes.Code, reason, field string) {
	t.Helper()
	var got *panope.Error
	if !errors.As(err, &got) {
		t.Fatalf("got %v", err)
	}
	if got.Code != code || reason != "" && got.Reason != reason || got.Field != field && field != "" {
		t.Errorf("got %+v, want %v %q %q", got, code, reason, field)
	}
}

func dot(a, b []float32) float64 {
	var sum float64
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func TestLiveServerRefusesATooLargeRequestAsInvalid(t *testing.T) {
	client, model := live(t)

	_, err := client.Embed(t.Context(), model, []string{strings.Repeat("x", 17<<20)})

	var got *panope.Error
	if !errors.As(err, &got) || got.Code != codes.InvalidArgument || got.Reason != "request_too_large" {
		t.Errorf("got %v", err)
	}
}
