package panope_test

import (
	"errors"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	panope "github.com/panope/panope/clients/go"
)

func TestAMessageOverALimitIsInvalidAndSentOnce(t *testing.T) {
	for words, reason := range map[string]string{
		"SERVER: Received message larger than max (5000 vs. 4096)":     "request_too_large",
		"SERVER: Sent message larger than max (9000 vs. 4096)":         "response_too_large",
		"grpc: received message larger than max (9000 vs. 4096)":       "response_too_large",
		"trying to send message larger than max (9000 vs. 2147483647)": "request_too_large",
	} {
		f := &fake{failures: []failure{{err: status.Error(codes.ResourceExhausted, words)}}}

		_, err := start(t, f).Embed(t.Context(), model, []string{"a"})

		var got *panope.Error
		if !errors.As(err, &got) || got.Code != codes.InvalidArgument || got.Reason != reason {
			t.Errorf("%s: got %v", words, err)
		}
		if status.Code(err) != codes.InvalidArgument || f.calls() != 1 {
			t.Errorf("%s: status %v after %d calls", words, status.Code(err), f.calls())
		}
	}
}

func TestTheCallersOwnLimitIsToldAsInvalid(t *testing.T) {
	small := panope.WithDialOptions(grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(10)))

	_, err := start(t, &fake{}, small).Embed(t.Context(), model, []string{"a text that is longer"})

	var got *panope.Error
	if !errors.As(err, &got) || got.Code != codes.InvalidArgument || got.Reason != "request_too_large" {
		t.Errorf("got %v", err)
	}
}

func TestAFullQueueStaysExhausted(t *testing.T) {
	f := &fake{failures: []failure{{err: status.Error(codes.ResourceExhausted, "the queue is full")}}}

	_, err := start(t, f).Embed(t.Context(), model, []string{"a"})

	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("got %v", err)
	}
}

func TestATextThatIsNotUTF8IsInvalid(t *testing.T) {
	f := &fake{}

	_, err := start(t, f).Embed(t.Context(), model, []string{"\xff"})

	if status.Code(err) != codes.InvalidArgument || f.calls() != 0 {
		t.Errorf("got %v after %d calls", err, f.calls())
	}
}

func TestATensorThatDoesNotHoldTogetherNamesTheArgument(t *testing.T) {
	_, err := panope.NewTensor([]int8{1, 2, 3}, 2, 2)

	var got *panope.Error
	if !errors.As(err, &got) || got.Code != codes.InvalidArgument || got.Field != "shape" {
		t.Errorf("got %v", err)
	}
}
