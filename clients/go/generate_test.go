package panope_test

import (
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	panope "github.com/panope/panope/clients/go"
	"github.com/panope/panope/clients/go/panopev1"
)

func TestPromptsAreContinued(t *testing.T) {
	client := start(t, &fake{})

	got, err := client.Generate(t.Context(), &panopev1.GenerateRequest{Model: model, Prompts: []string{"a", "b"}})
	if err != nil {
		t.Fatal(err)
	}

	if len(got.GetCompletions()) != 2 || got.GetCompletions()[1].GetText() != "b!" {
		t.Errorf("got %v", got)
	}
}

func TestAStreamGivesEachPieceAndTheUsageLast(t *testing.T) {
	client := start(t, &fake{})
	text, usage := "", uint32(0)

	for got, err := range client.StreamGenerate(t.Context(), &panopev1.GenerateRequest{Prompts: []string{"abc"}}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, delta := range got.GetDeltas() {
			text += delta.GetText()
		}
		usage = got.GetUsage().GetCompletionTokens()
	}

	if text != "abc" || usage != 3 {
		t.Errorf("got %q with %d tokens", text, usage)
	}
}

func TestAConversationIsAnswered(t *testing.T) {
	client := start(t, &fake{})
	request := &panopev1.ChatRequest{
		Model: model, Messages: []*panopev1.ChatMessage{panope.SystemMessage("Be brief."), panope.UserMessage("hi")},
	}

	got, err := client.Chat(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for part, err := range client.StreamChat(t.Context(), request) {
		if err != nil {
			t.Fatal(err)
		}
		for _, delta := range part.GetDeltas() {
			text += delta.GetContent()
		}
	}

	if got.GetAnswers()[0].GetContent() != "hi" || text != "hi" {
		t.Errorf("got %v, then %q", got, text)
	}
}

func TestAStreamThatFailsEndsWithTheClientsError(t *testing.T) {
	refusal := status.Error(codes.InvalidArgument, "no")
	client := start(t, &fake{failures: []failure{{err: refusal}}})
	var last error

	for _, err := range client.StreamChat(t.Context(), &panopev1.ChatRequest{}) {
		last = err
	}

	var found *panope.Error
	if !errors.As(last, &found) || found.Code != codes.InvalidArgument || found.Message != "no" {
		t.Errorf("got %v", last)
	}
}

func TestAStreamThatEndsWithoutItsUsageHasFailed(t *testing.T) {
	client := start(t, &fake{incomplete: true})
	var last error

	for _, err := range client.StreamGenerate(t.Context(), &panopev1.GenerateRequest{Prompts: []string{"a"}}) {
		last = err
	}

	if last == nil {
		t.Error("an incomplete answer looks like a complete one")
	}
}

func TestLeavingTheLoopEndsTheGeneration(t *testing.T) {
	f := &fake{left: make(chan struct{})}
	client := start(t, f)

	for range client.StreamGenerate(t.Context(), &panopev1.GenerateRequest{Prompts: []string{"endless"}}) {
		break
	}

	select {
	case <-f.left:
	case <-time.After(5 * time.Second):
		t.Error("the server still generates")
	}
}
