package panope_test

import (
	"context"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/panope/panope/clients/go"
	"github.com/panope/panope/clients/go/panopev1"
)

// ClassifyImages gives each image the caller's labels.
func (f *fake) ClassifyImages(
	ctx context.Context, request *panopev1.ClassifyImagesRequest,
) (*panopev1.ClassifyImagesResponse, error) {
	if err := f.enter(ctx, request); err != nil {
		return nil, err
	}
	response := &panopev1.ClassifyImagesResponse{Model: request.GetModel()}
	for range request.GetImages() {
		found := &panopev1.Classification{}
		for _, label := range request.GetCandidateLabels() {
			found.Labels = append(found.Labels, &panopev1.LabelScore{Label: label, Score: 0.5})
		}
		response.Classifications = append(response.Classifications, found)
	}
	return response, nil
}

// Detect finds one thing in each image.
func (f *fake) Detect(ctx context.Context, request *panopev1.DetectRequest) (*panopev1.DetectResponse, error) {
	if err := f.enter(ctx, request); err != nil {
		return nil, err
	}
	response := &panopev1.DetectResponse{Model: request.GetModel()}
	for range request.GetImages() {
		found := &panopev1.Detection{Label: "cat", Score: request.GetThreshold(), Box: &panopev1.BoundingBox{XMax: 2}}
		response.Images = append(response.Images, &panopev1.ImageDetections{
			Width: 4, Height: 3, Detections: []*panopev1.Detection{found},
		})
	}
	return response, nil
}

func image(content string) *panopev1.Image {
	return &panopev1.Image{Source: &panopev1.Image_Content{Content: []byte(content)}}
}

func TestImages(t *testing.T) {
	f := &fake{}
	client := start(t, f)
	images := []*panopev1.Image{image("a"), image("bb")}
	vectors, err := client.EmbedImages(t.Context(), model, images,
		panope.WithImagePooling(panopev1.ImagePooling_IMAGE_POOLING_CLS), panope.WithDimensions(2))
	if err != nil || len(vectors.Vectors) != 2 || vectors.Vectors[1][0] != 2 {
		t.Errorf("got %v and %v", vectors, err)
	}
	dimensions := uint32(2)
	wanted := &panopev1.EmbedRequest{
		Model: model, Images: images, Dimensions: &dimensions,
		ImagePooling: panopev1.ImagePooling_IMAGE_POOLING_CLS,
	}
	if asked := f.requests[0].(proto.Message); !proto.Equal(asked, wanted) {
		t.Errorf("asked %v", asked)
	}
	labelled, err := client.ClassifyImages(t.Context(), &panopev1.ClassifyImagesRequest{
		Model: model, Images: images, CandidateLabels: []string{"cat"},
	})
	if err != nil || labelled.GetClassifications()[1].GetLabels()[0].GetLabel() != "cat" {
		t.Errorf("got %v and %v", labelled, err)
	}
	threshold := float32(0.25)
	found, err := client.Detect(t.Context(), &panopev1.DetectRequest{
		Model: model, Images: images, Threshold: &threshold,
	})
	if err != nil || len(found.GetImages()) != 2 || found.GetImages()[0].GetDetections()[0].GetScore() != 0.25 {
		t.Errorf("got %v and %v", found, err)
	}
}
