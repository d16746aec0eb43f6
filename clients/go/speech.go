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

// LiveTranscribe transcribes speech while it is spoken: audio brings samples of one channel without a header, as they
// come, and utterances are given when they have ended, and before as they are known. Leaving the loop ends the call.
// Nothing is retried; an error is the last that comes.
func (c *Client) LiveTranscribe(
	ctx context.Context, config *panopev1.LiveTranscribeConfig, audio iter.Seq[[]byte],
) iter.Seq2[*panopev1.LiveTranscribeResponse, error] {
	first := &panopev1.LiveTranscribeRequest{Message: &panopev1.LiveTranscribeRequest_Config{Config: config}}
	next := func(piece []byte) *panopev1.LiveTranscribeRequest {
		return &panopev1.LiveTranscribeRequest{Message: &panopev1.LiveTranscribeRequest_Audio{Audio: piece}}
	}
	open := func(ctx context.Context) (grpc.ServerStreamingClient[panopev1.LiveTranscribeResponse], error) {
		stream, err := c.speech.LiveTranscribe(ctx)
		if err != nil {
			return nil, err
		}
		go sendPieces(stream, first, audio, next)
		return stream, nil
	}
	// Audio without speech has no utterances: an end without an answer is a good one.
	return receive(ctx, open, true, func(*panopev1.LiveTranscribeResponse) bool { return true })
}

// sendPieces sends a stream's requests until its pieces or the call end; why it ended is told by the responses.
func sendPieces[Request any](
	stream interface {
		Send(*Request) error
		CloseSend() error
	},
	first *Request, audio iter.Seq[[]byte], next func([]byte) *Request,
) {
	if stream.Send(first) != nil {
		return
	}
	for piece := range audio {
		if stream.Send(next(piece)) != nil {
			return
		}
	}
	_ = stream.CloseSend()
}

// DetectSpeech says which parts of audio are speech.
func (c *Client) DetectSpeech(
	ctx context.Context, request *panopev1.DetectSpeechRequest,
) (*panopev1.DetectSpeechResponse, error) {
	return c.speech.DetectSpeech(ctx, request)
}

// ClassifyAudio says which of a model's labels fit audio, the highest score first.
func (c *Client) ClassifyAudio(
	ctx context.Context, request *panopev1.ClassifyAudioRequest,
) (*panopev1.ClassifyAudioResponse, error) {
	return c.classify.ClassifyAudio(ctx, request)
}

// StreamDetectSpeech says which parts of audio are speech while it comes: audio brings samples of one channel without a
// header, and parts are given when they are heard, and when they have ended. Leaving the loop ends the call. Nothing is
// retried; an error is the last that comes.
func (c *Client) StreamDetectSpeech(
	ctx context.Context, config *panopev1.StreamDetectSpeechConfig, audio iter.Seq[[]byte],
) iter.Seq2[*panopev1.StreamDetectSpeechResponse, error] {
	first := &panopev1.StreamDetectSpeechRequest{Message: &panopev1.StreamDetectSpeechRequest_Config{Config: config}}
	next := func(piece []byte) *panopev1.StreamDetectSpeechRequest {
		return &panopev1.StreamDetectSpeechRequest{Message: &panopev1.StreamDetectSpeechRequest_Audio{Audio: piece}}
	}
	open := func(ctx context.Context) (grpc.ServerStreamingClient[panopev1.StreamDetectSpeechResponse], error) {
		stream, err := c.speech.StreamDetectSpeech(ctx)
		if err != nil {
			return nil, err
		}
		go sendPieces(stream, first, audio, next)
		return stream, nil
	}
	return receive(ctx, open, true, func(*panopev1.StreamDetectSpeechResponse) bool { return true })
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
