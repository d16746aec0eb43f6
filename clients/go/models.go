package panope

import (
	"context"

	"github.com/panope/panope/clients/go/panopev1"
)

// Models lists the models of one task, or of all when task is empty, by name.
func (c *Client) Models(ctx context.Context, task string) ([]*panopev1.Model, error) {
	var models []*panopev1.Model
	request := &panopev1.ListModelsRequest{Task: task}
	for {
		page, err := c.registry.ListModels(ctx, request)
		if err != nil {
			return nil, err
		}
		models = append(models, page.GetModels()...)
		if page.GetNextPageToken() == "" {
			return models, nil
		}
		request.PageToken = page.GetNextPageToken()
	}
}

// Model returns one model with its variants and instances.
func (c *Client) Model(ctx context.Context, name string) (*panopev1.Model, error) {
	response, err := c.registry.GetModel(ctx, &panopev1.GetModelRequest{Model: name})
	return response.GetModel(), err
}

// LoadOption changes how a model is loaded; without one Panope chooses.
type LoadOption func(*panopev1.LoadModelRequest)

// WithBackend loads by this backend, such as "openvino".
func WithBackend(backend string) LoadOption {
	return func(r *panopev1.LoadModelRequest) { r.Backend = backend }
}

// WithPreferredBackends rather loads by one of these backends, the most wanted first, than by another.
func WithPreferredBackends(backends ...string) LoadOption {
	return func(r *panopev1.LoadModelRequest) { r.PreferredBackends = backends }
}

// WithPrecision computes in this precision, such as "bf16".
func WithPrecision(precision string) LoadOption {
	return func(r *panopev1.LoadModelRequest) { r.Precision = precision }
}

// WithInstances runs so many instances.
func WithInstances(count uint32) LoadOption {
	return func(r *panopev1.LoadModelRequest) { r.Instances = count }
}

// WithKeepAlive keeps the model loaded for so long when nobody uses it, such as "5m"; a negative time is for ever, and
// "0" unloads it after its next call.
func WithKeepAlive(duration string) LoadOption {
	return func(r *panopev1.LoadModelRequest) { r.KeepAlive = duration }
}

// Load loads a model and returns when it serves; what is loaded already so stays as it is. The first load of a model may
// convert it: give ctx minutes.
func (c *Client) Load(ctx context.Context, model string, options ...LoadOption) (*panopev1.Model, error) {
	request := &panopev1.LoadModelRequest{Model: model}
	for _, option := range options {
		option(request)
	}
	response, err := c.registry.LoadModel(ctx, request)
	return response.GetModel(), err
}

// Unload ends a model's instances after their running work and returns when their memory is free.
func (c *Client) Unload(ctx context.Context, model string) (*panopev1.Model, error) {
	response, err := c.registry.UnloadModel(ctx, &panopev1.UnloadModelRequest{Model: model})
	return response.GetModel(), err
}

// Devices lists the devices that the server's backends can use, the preferred first.
func (c *Client) Devices(ctx context.Context) ([]*panopev1.Device, error) {
	response, err := c.registry.ListDevices(ctx, &panopev1.ListDevicesRequest{})
	return response.GetDevices(), err
}

// Catalogue tells which architectures the server's version recognises, loads and serves: those of one task and those
// that one backend supports, or all where they are empty.
func (c *Client) Catalogue(ctx context.Context, task, backend string) (*panopev1.GetCatalogueResponse, error) {
	return c.registry.GetCatalogue(ctx, &panopev1.GetCatalogueRequest{Task: task, Backend: backend})
}
