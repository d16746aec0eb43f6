package panope

import (
	"context"
	"iter"

	"google.golang.org/grpc"

	"github.com/panope/panope/clients/go/panopev1"
)

// ClassifyImages says which labels fit images, the highest score first: the model's own, or the caller's where the
// model compares images with texts.
func (c *Client) ClassifyImages(
	ctx context.Context, request *panopev1.ClassifyImagesRequest,
) (*panopev1.ClassifyImagesResponse, error) {
	return c.classify.ClassifyImages(ctx, request)
}

// WithImagePooling says how what the model gives for an image becomes one vector.
func WithImagePooling(pooling panopev1.ImagePooling) EmbedOption {
	return func(r *panopev1.EmbedRequest) { r.ImagePooling = pooling }
}

// EmbedImages turns images into vectors; a model such as CLIP gives texts vectors of the same space, by Embed.
func (c *Client) EmbedImages(
	ctx context.Context, model string, images []*panopev1.Image, options ...EmbedOption,
) (*Embeddings, error) {
	return c.embedRequest(ctx, &panopev1.EmbedRequest{Model: model, Images: images}, options)
}

// Detect says what stands in images, and where.
func (c *Client) Detect(ctx context.Context, request *panopev1.DetectRequest) (*panopev1.DetectResponse, error) {
	return c.detect.Detect(ctx, request)
}

// Segment says which pixels of images belong to what.
func (c *Client) Segment(ctx context.Context, request *panopev1.SegmentRequest) (*panopev1.SegmentResponse, error) {
	return c.segment.Segment(ctx, request)
}

// EstimateDepth says how far away each pixel of images is.
func (c *Client) EstimateDepth(
	ctx context.Context, request *panopev1.EstimateDepthRequest,
) (*panopev1.EstimateDepthResponse, error) {
	return c.depth.EstimateDepth(ctx, request)
}

// Recognize reads the text in images, each of which is a page.
func (c *Client) Recognize(
	ctx context.Context, request *panopev1.RecognizeRequest,
) (*panopev1.RecognizeResponse, error) {
	return c.ocr.Recognize(ctx, request)
}

// Upscale makes images larger, or cleans them at their size, as the model does.
func (c *Client) Upscale(ctx context.Context, request *panopev1.UpscaleRequest) (*panopev1.UpscaleResponse, error) {
	return c.image.Upscale(ctx, request)
}

// GenerateImages draws images by a text, and perhaps by an image or a part of one: each step is told when it is done, and
// each image when it is there. Leaving the loop ends the work within a step. Nothing is retried; an error is the last that
// comes.
func (c *Client) GenerateImages(
	ctx context.Context, request *panopev1.GenerateImagesRequest,
) iter.Seq2[*panopev1.GenerateImagesResponse, error] {
	open := func(ctx context.Context) (grpc.ServerStreamingClient[panopev1.GenerateImagesResponse], error) {
		return c.image.GenerateImages(ctx, request)
	}
	last := max(request.GetCount(), 1) - 1
	return responses(ctx, open, func(r *panopev1.GenerateImagesResponse) bool {
		return r.GetImage() != nil && r.GetImage().GetIndex() == last
	})
}
