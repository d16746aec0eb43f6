package panope

import (
	"context"
	"iter"

	"google.golang.org/grpc"

	"github.com/panope/panope/clients/go/panopev1"
)

// SubmitImages asks for what GenerateImages gives, and returns the job that will make it.
func (c *Client) SubmitImages(ctx context.Context, request *panopev1.GenerateImagesRequest) (*panopev1.Job, error) {
	response, err := c.generationJobs.SubmitImages(ctx, &panopev1.SubmitImagesRequest{Request: request})
	return response.GetJob(), err
}

// SubmitVideo asks for what GenerateVideo gives, and returns the job that will make it.
func (c *Client) SubmitVideo(ctx context.Context, request *panopev1.GenerateVideoRequest) (*panopev1.Job, error) {
	response, err := c.generationJobs.SubmitVideo(ctx, &panopev1.SubmitVideoRequest{Request: request})
	return response.GetJob(), err
}

// SubmitInterpolation asks for what InterpolateVideo gives, and returns the job that will make it: content brings the file,
// piece by piece; there is none where the config has a URL. Nothing is retried.
func (c *Client) SubmitInterpolation(
	ctx context.Context, config *panopev1.InterpolateVideoConfig, content iter.Seq[[]byte],
) (*panopev1.Job, error) {
	stream, err := c.generationJobs.SubmitInterpolation(ctx)
	if err != nil {
		return nil, err
	}
	sent := func(request *panopev1.InterpolateVideoRequest) *panopev1.SubmitInterpolationRequest {
		return &panopev1.SubmitInterpolationRequest{Request: request}
	}
	first, next := interpolationRequests(config)
	sendPieces(stream, sent(first), content, func(piece []byte) *panopev1.SubmitInterpolationRequest {
		return sent(next(piece))
	})
	response, err := stream.CloseAndRecv()
	return response.GetJob(), err
}

// JobFile sends a file that a job has made, or a part of it, piece by piece, to the end. Nothing is retried; an error is
// the last that comes.
func (c *Client) JobFile(
	ctx context.Context, request *panopev1.ReadJobFileRequest,
) iter.Seq2[*panopev1.ReadJobFileResponse, error] {
	open := func(ctx context.Context) (grpc.ServerStreamingClient[panopev1.ReadJobFileResponse], error) {
		return c.generationJobs.ReadJobFile(ctx, request)
	}
	return responses(ctx, open, func(r *panopev1.ReadJobFileResponse) bool { return r.GetFile() != nil })
}

// DeleteJobFiles removes the files of a job that has ended, before they expire.
func (c *Client) DeleteJobFiles(ctx context.Context, id uint64) (*panopev1.Job, error) {
	response, err := c.generationJobs.DeleteJobFiles(ctx, &panopev1.DeleteJobFilesRequest{Id: id})
	return response.GetJob(), err
}
