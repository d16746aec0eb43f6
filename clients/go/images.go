package panope

import (
	"context"

	"github.com/panope/panope/clients/go/panopev1"
)

// ClassifyImages says which labels fit images, the highest score first: the model's own, or the caller's where the
// model compares images with texts.
func (c *Client) ClassifyImages(
	ctx context.Context, request *panopev1.ClassifyImagesRequest,
) (*panopev1.ClassifyImagesResponse, error) {
	return c.classify.ClassifyImages(ctx, request)
}

// Detect says what stands in images, and where.
func (c *Client) Detect(ctx context.Context, request *panopev1.DetectRequest) (*panopev1.DetectResponse, error) {
	return c.detect.Detect(ctx, request)
}
