package panope_test

import (
	"context"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/panope/panope/clients/go/panopev1"
)

// Classify gives each text its own words as labels.
func (f *fake) Classify(
	ctx context.Context, request *panopev1.ClassifyRequest,
) (*panopev1.ClassifyResponse, error) {
	if err := f.enter(ctx, request); err != nil {
		return nil, err
	}
	response := &panopev1.ClassifyResponse{Model: request.GetModel()}
	for _, text := range request.GetTexts() {
		label := &panopev1.LabelScore{Label: text, Score: 0.5}
		response.Classifications = append(
			response.Classifications, &panopev1.Classification{Labels: []*panopev1.LabelScore{label}},
		)
	}
	return response, nil
}

// ClassifyTokens calls each text a name.
func (f *fake) ClassifyTokens(
	ctx context.Context, request *panopev1.ClassifyTokensRequest,
) (*panopev1.ClassifyTokensResponse, error) {
	if err := f.enter(ctx, request); err != nil {
		return nil, err
	}
	response := &panopev1.ClassifyTokensResponse{Model: request.GetModel()}
	for _, text := range request.GetTexts() {
		entity := &panopev1.TextEntity{Label: "PER", Word: text}
		response.Texts = append(response.Texts, &panopev1.TextEntities{Entities: []*panopev1.TextEntity{entity}})
	}
	return response, nil
}

// ClassifyZeroShot gives each text the caller's labels.
func (f *fake) ClassifyZeroShot(
	ctx context.Context, request *panopev1.ClassifyZeroShotRequest,
) (*panopev1.ClassifyZeroShotResponse, error) {
	if err := f.enter(ctx, request); err != nil {
		return nil, err
	}
	labels := make([]*panopev1.LabelScore, 0, len(request.GetCandidateLabels()))
	for _, label := range request.GetCandidateLabels() {
		labels = append(labels, &panopev1.LabelScore{Label: label})
	}
	classification := &panopev1.Classification{Labels: labels}
	return &panopev1.ClassifyZeroShotResponse{Classifications: []*panopev1.Classification{classification}}, nil
}

// Rerank keeps the order of the documents.
func (f *fake) Rerank(ctx context.Context, request *panopev1.RerankRequest) (*panopev1.RerankResponse, error) {
	if err := f.enter(ctx, request); err != nil {
		return nil, err
	}
	response := &panopev1.RerankResponse{Model: request.GetModel()}
	for index, document := range request.GetDocuments() {
		response.Results = append(response.Results, &panopev1.RerankResult{Index: uint32(index), Document: document})
	}
	return response, nil
}

func TestTextsAreClassified(t *testing.T) {
	f := &fake{}
	client := start(t, f)
	request := &panopev1.ClassifyRequest{Model: model, Texts: []string{"a", "b"}, TopK: proto.Uint32(1)}

	got, err := client.Classify(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}

	if labels := got.GetClassifications(); len(labels) != 2 || labels[1].GetLabels()[0].GetLabel() != "b" {
		t.Errorf("got %v", got)
	}
}

func TestEntitiesAndLabelsOfTheCallersComeBack(t *testing.T) {
	client := start(t, &fake{})

	entities, err := client.ClassifyTokens(
		t.Context(), &panopev1.ClassifyTokensRequest{Model: model, Texts: []string{"Ada"}},
	)
	if err != nil {
		t.Fatal(err)
	}
	if word := entities.GetTexts()[0].GetEntities()[0].GetWord(); word != "Ada" {
		t.Errorf("got %q", word)
	}

	labels, err := client.ClassifyZeroShot(t.Context(), &panopev1.ClassifyZeroShotRequest{
		Model: model, Texts: []string{"a"}, CandidateLabels: []string{"x", "y"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if found := labels.GetClassifications()[0].GetLabels(); len(found) != 2 || found[0].GetLabel() != "x" {
		t.Errorf("got %v", found)
	}
}

func TestDocumentsAreOrdered(t *testing.T) {
	client := start(t, &fake{})

	got, err := client.Rerank(t.Context(), &panopev1.RerankRequest{
		Model: model, Query: "q", Documents: []string{"a", "b"}, ReturnDocuments: true,
	})
	if err != nil {
		t.Fatal(err)
	}

	if results := got.GetResults(); len(results) != 2 || results[1].GetDocument() != "b" {
		t.Errorf("got %v", got)
	}
}
