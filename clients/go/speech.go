package panope

import (
	"context"
	"iter"

	"google.golang.org/grpc"

	"github.com/panope/panope/clients/go/panopev1"
)

// Transcribe transcribes audio.
func (c *Client) Transcribe(
	ctx context.Context, request *panopev1.TranscribeRequest,
) (*panopev1.TranscribeResponse, error) {
	return c.speech.Transcribe(ctx, request)
}

// StreamTranscribe transcribes audio, and gives the segments of each window of 30 seconds when they are known. Leaving
// the loop ends the call. Nothing is retried; an error is the last that comes.
func (c *Client) StreamTranscribe(
	ctx context.Context, request *panopev1.TranscribeRequest,
) iter.Seq2[*panopev1.StreamTranscribeResponse, error] {
	open := func(ctx context.Context) (grpc.ServerStreamingClient[panopev1.StreamTranscribeResponse], error) {
		return c.speech.StreamTranscribe(ctx, &panopev1.StreamTranscribeRequest{Request: request})
	}
	return responses(ctx, open, func(*panopev1.StreamTranscribeResponse) bool { return true })
}

// Speak speaks a text, and gives the whole audio file.
func (c *Client) Speak(ctx context.Context, request *panopev1.SpeakRequest) (*panopev1.SpeakResponse, error) {
	return c.speech.Speak(ctx, request)
}

// StreamSpeak speaks a text, and gives the pieces of the audio file as sentence after sentence is spoken. Leaving the loop
// ends the call. Nothing is retried; an error is the last that comes.
func (c *Client) StreamSpeak(
	ctx context.Context, request *panopev1.SpeakRequest,
) iter.Seq2[*panopev1.StreamSpeakResponse, error] {
	open := func(ctx context.Context) (grpc.ServerStreamingClient[panopev1.StreamSpeakResponse], error) {
		return c.speech.StreamSpeak(ctx, &panopev1.StreamSpeakRequest{Request: request})
	}
	return responses(ctx, open, func(*panopev1.StreamSpeakResponse) bool { return true })
}
