package panope_test

import (
	"context"
	"testing"

	panope "github.com/panope/panope/clients/go"
	"github.com/panope/panope/clients/go/panopev1"
	"google.golang.org/protobuf/proto"
)

func (f *fake) RegisterModel(_ context.Context, r *panopev1.RegisterModelRequest) (*panopev1.RegisterModelResponse, error) {
	f.requests = append(f.requests, r)
	return &panopev1.RegisterModelResponse{Job: &panopev1.Job{Id: 1, Kind: "repo_sync"}}, nil
}

func (f *fake) PullModel(_ context.Context, r *panopev1.PullModelRequest) (*panopev1.PullModelResponse, error) {
	f.requests = append(f.requests, r)
	return &panopev1.PullModelResponse{Job: &panopev1.Job{Id: 2, Kind: "artifact_download"}}, nil
}

func (f *fake) GetJob(_ context.Context, r *panopev1.GetJobRequest) (*panopev1.GetJobResponse, error) {
	return &panopev1.GetJobResponse{Job: &panopev1.Job{Id: r.GetId(), Status: panopev1.Job_STATUS_RUNNING}}, nil
}

func (f *fake) CancelJob(_ context.Context, r *panopev1.CancelJobRequest) (*panopev1.CancelJobResponse, error) {
	return &panopev1.CancelJobResponse{Job: &panopev1.Job{Id: r.GetId(), Status: panopev1.Job_STATUS_CANCELLED}}, nil
}

func (f *fake) RetryJob(_ context.Context, r *panopev1.RetryJobRequest) (*panopev1.RetryJobResponse, error) {
	return &panopev1.RetryJobResponse{Job: &panopev1.Job{Id: r.GetId(), Status: panopev1.Job_STATUS_QUEUED}}, nil
}

func TestAModelIsRegisteredAndPulledAsAsked(t *testing.T) {
	f := &fake{}
	client := start(t, f)

	registered, err := client.Register(t.Context(), &panopev1.RegisterModelRequest{Model: model})
	if err != nil || registered.GetKind() != "repo_sync" {
		t.Fatalf("got %v, %v", registered, err)
	}
	pulled, err := client.Pull(t.Context(), model, panope.WithRevision("v1"), panope.WithFormat("onnx"), panope.WithVariantPrecision("fp16"))
	if err != nil || pulled.GetKind() != "artifact_download" {
		t.Fatalf("got %v, %v", pulled, err)
	}

	want := &panopev1.PullModelRequest{Model: model, Revision: "v1", Format: "onnx", Precision: "fp16"}
	if got := f.requests[1].(*panopev1.PullModelRequest); !proto.Equal(got, want) {
		t.Errorf("asked for %v, want %v", got, want)
	}
}

func TestAJobIsLookedAtCancelledAndQueuedAgain(t *testing.T) {
	client := start(t, &fake{})
	type call func(context.Context, uint64) (*panopev1.Job, error)
	for want, ask := range map[panopev1.Job_Status]call{
		panopev1.Job_STATUS_RUNNING:   client.Job,
		panopev1.Job_STATUS_CANCELLED: client.CancelJob,
		panopev1.Job_STATUS_QUEUED:    client.RetryJob,
	} {
		job, err := ask(t.Context(), 7)
		if err != nil || job.GetId() != 7 || job.GetStatus() != want {
			t.Errorf("got %v, %v; want status %v", job, err, want)
		}
	}
}
