package panope_test

import (
	"reflect"
	"testing"

	panope "github.com/panope/panope/clients/go"
	"github.com/panope/panope/clients/go/panopev1"
)

func TestSparseVectorsHaveNoDenseOnesBesideThem(t *testing.T) {
	answer := &panopev1.EmbedResponse{
		Model: "acme/splade", Dimensions: 100, TokenCounts: []uint32{3, 4},
		SparseVectors: []*panopev1.SparseVector{{Indices: []uint32{7, 99}, Values: []float32{0.5, 1.25}}, {}},
	}
	client := start(t, &fake{answer: answer})
	found, err := client.Embed(t.Context(), "acme/splade", []string{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	wanted := []panope.SparseVector{{Indices: []uint32{7, 99}, Values: []float32{0.5, 1.25}}, {}}
	if !reflect.DeepEqual(found.SparseVectors, wanted) || len(found.Vectors) != 0 {
		t.Errorf("got %v beside %d dense vectors, want %v", found.SparseVectors, len(found.Vectors), wanted)
	}
}
