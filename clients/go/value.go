package panope

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/big"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/panope/panope/clients/go/panopev1"
)

// ValueOption changes how a value is run.
type ValueOption func(*panopev1.InferRequest)

// WithTask says which task the value is for; without it that is the model's own.
func WithTask(task string) ValueOption {
	return func(r *panopev1.InferRequest) { r.Task = task }
}

// InferValue runs a model on the value of a task and returns the task's result as the types that encoding/json decodes
// into an any; every number is a float64. For the task embed the value is a text, a list of texts, or an object with
// texts and options, and the result a list of vectors. It fails with an [*Error] when encoding/json cannot encode the
// value, or the value has an integer that a float64 does not hold exactly.
func (c *Client) InferValue(ctx context.Context, model string, value any, options ...ValueOption) (any, error) {
	message, err := valueMessage(value)
	if err != nil {
		return nil, err
	}
	request := &panopev1.InferRequest{Model: model, Value: message}
	for _, option := range options {
		option(request)
	}
	response, err := c.infer.Infer(ctx, request)
	if err != nil {
		return nil, err
	}
	return response.GetValue().AsInterface(), nil
}

func valueMessage(value any) (*structpb.Value, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return nil, invalidArgument("value", "%v", err)
	}
	if number := inexact(data); number != "" {
		return nil, invalidArgument("value", "a float64 does not hold %s exactly", number)
	}
	message := new(structpb.Value)
	if err := message.UnmarshalJSON(data); err != nil {
		return nil, invalidArgument("value", "%v", err)
	}
	return message, nil
}

// inexact finds an integer of a JSON text that a float64 does not hold; it is empty when there is none.
func inexact(data []byte) json.Number {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			return ""
		}
		if number, isNumber := token.(json.Number); isNumber {
			whole, isWhole := new(big.Int).SetString(number.String(), 10)
			if !isWhole {
				continue
			}
			if _, accuracy := new(big.Float).SetInt(whole).Float64(); accuracy != big.Exact {
				return number
			}
		}
	}
}
