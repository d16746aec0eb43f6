package panope_test

import (
	"slices"
	"testing"

	"google.golang.org/grpc/metadata"

	panope "github.com/panope/panope/clients/go"
)

func TestCallsSayTheLastPriorityOfTheirContext(t *testing.T) {
	f := &fake{}
	client := start(t, f)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-request-id", "r1")
	low := panope.ContextWithPriority(panope.ContextWithPriority(ctx, panope.PriorityHigh), panope.PriorityLow)

	if _, err := client.Embed(low, model, []string{"a"}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Embed(ctx, model, []string{"a"}); err != nil {
		t.Fatal(err)
	}

	if got := f.metadata[0]; !slices.Equal(got["x-panope-priority"], []string{"low"}) || got["x-request-id"][0] != "r1" {
		t.Errorf("got %v", got)
	}
	if got := f.metadata[1]; got["x-panope-priority"] != nil {
		t.Errorf("got %v of a context that says nothing", got)
	}
}
