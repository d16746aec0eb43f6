package panope

import (
	"context"
	"errors"
	"io"
	"iter"

	"google.golang.org/grpc"

	"github.com/panope/panope/clients/go/panopev1"
)

// Generate continues prompts. The answers to the first prompt come first.
func (c *Client) Generate(
	ctx context.Context, request *panopev1.GenerateRequest,
) (*panopev1.GenerateResponse, error) {
	return c.generate.Generate(ctx, request)
}

// StreamGenerate continues prompts, and gives what the answers have more when it exists; the last response has the usage.
// Leaving the loop ends the generation. Nothing is retried; an error is the last that comes.
func (c *Client) StreamGenerate(
	ctx context.Context, request *panopev1.GenerateRequest,
) iter.Seq2[*panopev1.StreamGenerateResponse, error] {
	return generated(ctx, func(ctx context.Context) (grpc.ServerStreamingClient[panopev1.StreamGenerateResponse], error) {
		return c.generate.StreamGenerate(ctx, &panopev1.StreamGenerateRequest{Request: request})
	})
}

// Chat answers a conversation.
func (c *Client) Chat(ctx context.Context, request *panopev1.ChatRequest) (*panopev1.ChatResponse, error) {
	return c.generate.Chat(ctx, request)
}

// StreamChat answers a conversation, and gives what the answers have more when it exists; the last response has the
// usage. Leaving the loop ends the generation. Nothing is retried; an error is the last that comes.
func (c *Client) StreamChat(
	ctx context.Context, request *panopev1.ChatRequest,
) iter.Seq2[*panopev1.StreamChatResponse, error] {
	return generated(ctx, func(ctx context.Context) (grpc.ServerStreamingClient[panopev1.StreamChatResponse], error) {
		return c.generate.StreamChat(ctx, &panopev1.StreamChatRequest{Request: request})
	})
}

// UserMessage is a message of the user's.
func UserMessage(text string) *panopev1.ChatMessage {
	return textMessage(panopev1.ChatRole_CHAT_ROLE_USER, text)
}

// UserMessageWithImages is a message of the user's with images, as files, before its text; for models that see images.
func UserMessageWithImages(text string, images ...[]byte) *panopev1.ChatMessage {
	message := &panopev1.ChatMessage{Role: panopev1.ChatRole_CHAT_ROLE_USER}
	for _, file := range images {
		image := &panopev1.Image{Source: &panopev1.Image_Content{Content: file}}
		message.Content = append(message.Content, &panopev1.ContentPart{Part: &panopev1.ContentPart_Image{Image: image}})
	}
	message.Content = append(message.Content, &panopev1.ContentPart{Part: &panopev1.ContentPart_Text{Text: text}})
	return message
}

// SystemMessage is a message of the operator's.
func SystemMessage(text string) *panopev1.ChatMessage {
	return textMessage(panopev1.ChatRole_CHAT_ROLE_SYSTEM, text)
}

func textMessage(role panopev1.ChatRole, text string) *panopev1.ChatMessage {
	part := &panopev1.ContentPart{Part: &panopev1.ContentPart_Text{Text: text}}
	return &panopev1.ChatMessage{Role: role, Content: []*panopev1.ContentPart{part}}
}

// part is a response of a stream whose last one has the usage.
type part[T any] interface {
	*T
	GetUsage() *panopev1.GenerationUsage
}

// generated gives the responses of one stream, which is complete when one has told the usage.
func generated[T any, P part[T]](
	ctx context.Context, open func(context.Context) (grpc.ServerStreamingClient[T], error),
) iter.Seq2[*T, error] {
	return responses(ctx, open, func(response *T) bool { return P(response).GetUsage() != nil })
}

// responses gives the responses of one stream, which ends with the loop over them. A stream that ends before one of
// them was the last is an error.
func responses[T any](
	ctx context.Context,
	open func(context.Context) (grpc.ServerStreamingClient[T], error),
	last func(*T) bool,
) iter.Seq2[*T, error] {
	return receive(ctx, open, false, last)
}

// receive is responses, for streams that may be complete before anything has come.
func receive[T any](
	ctx context.Context,
	open func(context.Context) (grpc.ServerStreamingClient[T], error),
	complete bool,
	last func(*T) bool,
) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		stream, err := open(ctx)
		if err != nil {
			yield(nil, errorOf(err, nil))
			return
		}
		complete := complete
		for {
			response, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				if !complete {
					yield(nil, invalidResponse("the stream ended before the answers were complete"))
				}
				return
			}
			if err != nil {
				yield(nil, errorOf(err, stream.Trailer()))
				return
			}
			complete = last(response)
			if !yield(response, nil) {
				return
			}
		}
	}
}
