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

// InterpolateVideo makes frames between those of a video: content brings the file, piece by piece, and how many frames are
// made is told before the new file comes, in pieces as well. Leaving the loop ends the work within a frame. Nothing is
// retried; an error is the last that comes.
func (c *Client) InterpolateVideo(
	ctx context.Context, config *panopev1.InterpolateVideoConfig, content iter.Seq[[]byte],
) iter.Seq2[*panopev1.InterpolateVideoResponse, error] {
	first, next := interpolationRequests(config)
	open := func(ctx context.Context) (grpc.ServerStreamingClient[panopev1.InterpolateVideoResponse], error) {
		stream, err := c.video.InterpolateVideo(ctx)
		if err != nil {
			return nil, err
		}
		go sendPieces(stream, first, content, next)
		return stream, nil
	}
	return responses(ctx, open, func(r *panopev1.InterpolateVideoResponse) bool { return r.GetVideo() != nil })
}

// interpolationRequests has the first request of a video that gets more frames, and makes those of its pieces.
func interpolationRequests(
	config *panopev1.InterpolateVideoConfig,
) (*panopev1.InterpolateVideoRequest, func([]byte) *panopev1.InterpolateVideoRequest) {
	first := &panopev1.InterpolateVideoRequest{Message: &panopev1.InterpolateVideoRequest_Config{Config: config}}
	return first, func(piece []byte) *panopev1.InterpolateVideoRequest {
		return &panopev1.InterpolateVideoRequest{Message: &panopev1.InterpolateVideoRequest_Content{Content: piece}}
	}
}

// ClassifyVideo says which of a model's labels fit a video, the highest score first.
func (c *Client) ClassifyVideo(
	ctx context.Context, request *panopev1.ClassifyVideoRequest,
) (*panopev1.ClassifyVideoResponse, error) {
	return c.classify.ClassifyVideo(ctx, request)
}
