package panope_test

import (
	"context"
	"testing"

	"github.com/panope/panope/clients/go/panopev1"
	"google.golang.org/grpc"
)

func (f *fake) SubmitImages(_ context.Context, r *panopev1.SubmitImagesRequest) (*panopev1.SubmitImagesResponse, error) {
	f.requests = append(f.requests, r.GetRequest())
	return &panopev1.SubmitImagesResponse{Job: &panopev1.Job{Id: 7, Kind: "generate_images"}}, nil
}

func (f *fake) SubmitVideo(_ context.Context, r *panopev1.SubmitVideoRequest) (*panopev1.SubmitVideoResponse, error) {
	f.requests = append(f.requests, r.GetRequest())
	return &panopev1.SubmitVideoResponse{Job: &panopev1.Job{Id: 7, Kind: "generate_video"}}, nil
}

func (f *fake) ReadJobFile(r *panopev1.ReadJobFileRequest, stream grpc.ServerStreamingServer[panopev1.ReadJobFileResponse]) error {
	for _, piece := range []string{"a ", "file"} {
		response := &panopev1.ReadJobFileResponse{Content: []byte(piece), File: &panopev1.JobFile{Name: r.GetName()}}
		if err := stream.Send(response); err != nil {
			return err
		}
	}
	return nil
}

func (f *fake) DeleteJobFiles(_ context.Context, r *panopev1.DeleteJobFilesRequest) (*panopev1.DeleteJobFilesResponse, error) {
	return &panopev1.DeleteJobFilesResponse{Job: &panopev1.Job{Id: r.GetId()}}, nil
}

func TestGenerationsAreAskedForAsJobsAndTheirFilesRead(t *testing.T) {
	f := &fake{}
	client := start(t, f)

	images, err := client.SubmitImages(t.Context(), &panopev1.GenerateImagesRequest{Model: model, Prompt: "a fox"})
	if err != nil || images.GetKind() != "generate_images" {
		t.Fatalf("got %v, %v", images, err)
	}
	video, err := client.SubmitVideo(t.Context(), &panopev1.GenerateVideoRequest{Model: model, Prompt: "a fox"})
	if err != nil || video.GetKind() != "generate_video" {
		t.Fatalf("got %v, %v", video, err)
	}
	if got := f.requests[1].(*panopev1.GenerateVideoRequest).GetPrompt(); got != "a fox" {
		t.Errorf("asked for %q", got)
	}
	content := ""
	for piece, err := range client.JobFile(t.Context(), &panopev1.ReadJobFileRequest{Id: 7, Name: "0.mp4"}) {
		if err != nil {
			t.Fatal(err)
		}
		content += string(piece.GetContent())
	}
	if content != "a file" {
		t.Errorf("read %q", content)
	}
	if job, err := client.DeleteJobFiles(t.Context(), 7); err != nil || job.GetId() != 7 {
		t.Errorf("got %v, %v", job, err)
	}
}
