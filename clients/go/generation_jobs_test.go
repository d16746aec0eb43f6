package panope_test

import (
	"context"
	"io"
	"slices"
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

func (f *fake) SubmitInterpolation(
	stream grpc.ClientStreamingServer[panopev1.SubmitInterpolationRequest, panopev1.SubmitInterpolationResponse],
) error {
	for {
		message, err := stream.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		f.requests = append(f.requests, message.GetRequest())
	}
	job := &panopev1.Job{Id: 7, Kind: "interpolate_video"}
	return stream.SendAndClose(&panopev1.SubmitInterpolationResponse{Job: job})
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
	config := &panopev1.InterpolateVideoConfig{Model: model, Factor: 4}
	smooth, err := client.SubmitInterpolation(t.Context(), config, slices.Values([][]byte{[]byte("a "), []byte("film")}))
	if err != nil || smooth.GetKind() != "interpolate_video" {
		t.Fatalf("got %v, %v", smooth, err)
	}
	if got := f.requests[2].(*panopev1.InterpolateVideoRequest).GetConfig().GetFactor(); got != 4 {
		t.Errorf("asked for factor %d", got)
	}
	if got := string(f.requests[4].(*panopev1.InterpolateVideoRequest).GetContent()); got != "film" {
		t.Errorf("sent %q last", got)
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
