package panope

import (
	"context"
	"iter"

	"google.golang.org/grpc"

	"github.com/panope/panope/clients/go/panopev1"
)

// GenerateVideo draws a video by a text: each step is told when it is done, and then the file, piece by piece. Leaving the
// loop ends the work within a step. Nothing is retried; an error is the last that comes.
func (c *Client) GenerateVideo(
	ctx context.Context, request *panopev1.GenerateVideoRequest,
) iter.Seq2[*panopev1.GenerateVideoResponse, error] {
	open := func(ctx context.Context) (grpc.ServerStreamingClient[panopev1.GenerateVideoResponse], error) {
		return c.video.GenerateVideo(ctx, request)
	}
	return responses(ctx, open, func(r *panopev1.GenerateVideoResponse) bool { return r.GetVideo() != nil })
}
