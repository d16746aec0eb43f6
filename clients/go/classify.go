package panope

import (
	"context"

	"github.com/panope/panope/clients/go/panopev1"
)

// Classify says which of the model's labels fit texts, or pairs of texts, the highest score first.
func (c *Client) Classify(
	ctx context.Context, request *panopev1.ClassifyRequest,
) (*panopev1.ClassifyResponse, error) {
	return c.classify.Classify(ctx, request)
}

// ClassifyTokens finds what parts of texts are, such as names and places.
func (c *Client) ClassifyTokens(
	ctx context.Context, request *panopev1.ClassifyTokensRequest,
) (*panopev1.ClassifyTokensResponse, error) {
	return c.classify.ClassifyTokens(ctx, request)
}

// ClassifyZeroShot says which labels of the caller's own fit texts, by a model that tells what entails what.
func (c *Client) ClassifyZeroShot(
	ctx context.Context, request *panopev1.ClassifyZeroShotRequest,
) (*panopev1.ClassifyZeroShotResponse, error) {
	return c.classify.ClassifyZeroShot(ctx, request)
}

// Rerank orders documents by how well they answer a query, the best first.
func (c *Client) Rerank(ctx context.Context, request *panopev1.RerankRequest) (*panopev1.RerankResponse, error) {
	return c.rerank.Rerank(ctx, request)
}
