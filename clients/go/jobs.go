package panope

import (
	"context"

	"github.com/panope/panope/clients/go/panopev1"
)

// PullOption says which files of a model are downloaded; without one Panope chooses a variant.
type PullOption func(*panopev1.PullModelRequest)

// WithRevision takes a branch, tag or commit. Default: "main".
func WithRevision(revision string) PullOption {
	return func(r *panopev1.PullModelRequest) { r.Revision = revision }
}

// WithFormat takes a variant of this format, such as "gguf".
func WithFormat(format string) PullOption {
	return func(r *panopev1.PullModelRequest) { r.Format = format }
}

// WithVariantPrecision takes a variant of this precision, such as "bf16".
func WithVariantPrecision(precision string) PullOption {
	return func(r *panopev1.PullModelRequest) { r.Precision = precision }
}

// Register registers a model of a hub without its weights, or with Upstream one that a server elsewhere runs; the job
// does it.
func (c *Client) Register(ctx context.Context, request *panopev1.RegisterModelRequest) (*panopev1.Job, error) {
	response, err := c.registry.RegisterModel(ctx, request)
	return response.GetJob(), err
}

// Pull registers a model of a hub and downloads one of its variants; the job does it.
func (c *Client) Pull(ctx context.Context, model string, options ...PullOption) (*panopev1.Job, error) {
	request := &panopev1.PullModelRequest{Model: model}
	for _, option := range options {
		option(request)
	}
	response, err := c.registry.PullModel(ctx, request)
	return response.GetJob(), err
}

// Job returns a job with its status and progress.
func (c *Client) Job(ctx context.Context, id uint64) (*panopev1.Job, error) {
	response, err := c.jobs.GetJob(ctx, &panopev1.GetJobRequest{Id: id})
	return response.GetJob(), err
}

// CancelJob asks a job to end; what it has downloaded is kept.
func (c *Client) CancelJob(ctx context.Context, id uint64) (*panopev1.Job, error) {
	response, err := c.jobs.CancelJob(ctx, &panopev1.CancelJobRequest{Id: id})
	return response.GetJob(), err
}

// RetryJob queues a failed or cancelled job again.
func (c *Client) RetryJob(ctx context.Context, id uint64) (*panopev1.Job, error) {
	response, err := c.jobs.RetryJob(ctx, &panopev1.RetryJobRequest{Id: id})
	return response.GetJob(), err
}
