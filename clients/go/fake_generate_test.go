package panope_test

import (
	"context"

	"google.golang.org/grpc"

	"github.com/panope/panope/clients/go/panopev1"
)

// Generate adds a mark of exclamation to each prompt.
func (f *fake) Generate(
	ctx context.Context, request *panopev1.GenerateRequest,
) (*panopev1.GenerateResponse, error) {
	if err := f.enter(ctx, request); err != nil {
		return nil, err
	}
	answer := &panopev1.GenerateResponse{Model: request.GetModel()}
	for _, prompt := range request.GetPrompts() {
		answer.Completions = append(answer.Completions, &panopev1.Completion{Text: prompt + "!"})
	}
	return answer, nil
}

// StreamGenerate says the first prompt, a letter at a time; "endless" over and over until the caller leaves.
func (f *fake) StreamGenerate(
	request *panopev1.StreamGenerateRequest, stream grpc.ServerStreamingServer[panopev1.StreamGenerateResponse],
) error {
	prompt := request.GetRequest().GetPrompts()[0]
	if prompt == "endless" {
		defer close(f.left)
	}
	for {
		for _, letter := range prompt {
			delta := &panopev1.Completion{Text: string(letter)}
			part := &panopev1.StreamGenerateResponse{Deltas: []*panopev1.Completion{delta}}
			if err := stream.Send(part); err != nil {
				return err
			}
		}
		if prompt != "endless" {
			break
		}
	}
	if f.incomplete {
		return nil
	}
	usage := &panopev1.GenerationUsage{CompletionTokens: uint32(len(prompt))}
	return stream.Send(&panopev1.StreamGenerateResponse{Usage: usage})
}

// Chat repeats the last message.
func (f *fake) Chat(ctx context.Context, request *panopev1.ChatRequest) (*panopev1.ChatResponse, error) {
	if err := f.enter(ctx, request); err != nil {
		return nil, err
	}
	return &panopev1.ChatResponse{Answers: []*panopev1.ChatAnswer{{Content: said(request)}}}, nil
}

// StreamChat repeats the last message in one piece.
func (f *fake) StreamChat(
	request *panopev1.StreamChatRequest, stream grpc.ServerStreamingServer[panopev1.StreamChatResponse],
) error {
	if len(f.failures) > 0 {
		return f.failures[0].err
	}
	return stream.Send(&panopev1.StreamChatResponse{
		Deltas: []*panopev1.ChatAnswer{{Content: said(request.GetRequest())}}, Usage: &panopev1.GenerationUsage{},
	})
}

func said(request *panopev1.ChatRequest) string {
	messages := request.GetMessages()
	return messages[len(messages)-1].GetContent()[0].GetText()
}
