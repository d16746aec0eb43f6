package panope_test

import (
	"slices"
	"testing"

	"google.golang.org/grpc/metadata"

	"github.com/panope/panope/clients/go"
)

func TestCallsSayTheLastHardwareOfTheirContext(t *testing.T) {
	f := &fake{}
	client := start(t, f)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-request-id", "r1")
	asked := panope.ContextWithHardware(panope.ContextWithHardware(ctx, "cuda"), "openvino", "any")

	for _, each := range []func() error{
		func() error { _, err := client.Embed(asked, model, []string{"a"}); return err },
		func() error {
			_, err := client.Embed(panope.ContextWithHardware(asked), model, []string{"a"})
			return err
		},
	} {
		if err := each(); err != nil {
			t.Fatal(err)
		}
	}

	if got := f.metadata[0]; !slices.Equal(got["x-panope-hardware"], []string{"openvino,any"}) || got["x-request-id"][0] != "r1" {
		t.Errorf("got %v", got)
	}
	if got := f.metadata[1]; got["x-panope-hardware"] != nil {
		t.Errorf("got %v of a context that takes it back", got)
	}
}
