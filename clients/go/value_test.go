package panope_test

import (
	"errors"
	"math"
	"reflect"
	"testing"

	panope "github.com/panope/panope/clients/go"
	"github.com/panope/panope/clients/go/panopev1"
)

// taskOf is the task of the only request.
func taskOf(t *testing.T, f *fake) string {
	t.Helper()
	request, isInfer := f.requests[0].(*panopev1.InferRequest)
	if !isInfer || len(f.requests) != 1 {
		t.Fatalf("the requests were %v", f.requests)
	}
	return request.GetTask()
}

func TestAValueGoesToTheModelAndItsResultComesBack(t *testing.T) {
	server := &fake{}
	client := start(t, server)

	got, err := client.InferValue(t.Context(), model, map[string]any{"texts": []string{"a", "b"}, "dimensions": 2})
	if err != nil {
		t.Fatal(err)
	}

	want := map[string]any{"texts": []any{"a", "b"}, "dimensions": 2.0}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if task := taskOf(t, server); task != "" {
		t.Errorf("the task is %q", task)
	}
}

func TestAValueMayBeForANamedTask(t *testing.T) {
	server := &fake{}
	client := start(t, server)

	if _, err := client.InferValue(t.Context(), model, "hello", panope.WithTask("tokenize")); err != nil {
		t.Fatal(err)
	}

	if task := taskOf(t, server); task != "tokenize" {
		t.Errorf("the task is %q", task)
	}
}

func TestAValueThatJSONCannotHoldIsRefused(t *testing.T) {
	client := start(t, &fake{})
	for _, value := range []any{math.NaN(), make(chan int), int64(math.MaxInt64), []any{1 << 53, 1<<53 + 1}} {
		_, err := client.InferValue(t.Context(), model, value)
		var refused *panope.Error
		if !errors.As(err, &refused) || refused.Field != "value" {
			t.Errorf("%v gave %v", value, err)
		}
	}
}
