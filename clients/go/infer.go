package panope

import (
	"bytes"
	"context"
	"encoding/binary"

	"github.com/panope/panope/clients/go/panopev1"
)

// Element is a type that tensors can hold. Half precision has no type in Go: its bits are uint16, see [Tensor.DataType].
type Element interface {
	bool | uint8 | uint16 | uint32 | uint64 | int8 | int16 | int32 | int64 | float32 | float64
}

// Tensor is a dense, row-major array.
type Tensor struct {
	// DataType is the type of every element.
	DataType panopev1.DataType
	// Shape is the length of each axis, outermost first; empty for a scalar.
	Shape []int64
	// Data holds the elements, little-endian, without padding; texts each with its length before it, see [NewTexts].
	Data []byte
}

// NewTensor makes a tensor of values in row-major order. It fails with an [*Error] when the shape has other than
// len(values) elements.
func NewTensor[T Element](values []T, shape ...int64) (Tensor, error) {
	size, err := elements(shape)
	if err != nil {
		return Tensor{}, err
	}
	if size != int64(len(values)) {
		return Tensor{}, invalidArgument("shape", "%d values do not fit the shape %v", len(values), shape)
	}
	var data bytes.Buffer
	if err := binary.Write(&data, binary.LittleEndian, values); err != nil {
		return Tensor{}, invalidArgument("values", "%v", err)
	}
	return Tensor{DataType: dataTypeOf[T](), Shape: shape, Data: data.Bytes()}, nil
}

// Values reads a tensor's elements in row-major order. T is the element type of the tensor; uint16 also reads the bits
// of half precision. It fails with an [*Error] when the tensor holds another type, or its bytes do not fit its shape.
func Values[T Element](t Tensor) ([]T, error) {
	want := dataTypeOf[T]()
	halfAsBits := want == panopev1.DataType_DATA_TYPE_UINT16 && t.DataType == panopev1.DataType_DATA_TYPE_FP16
	if want != t.DataType && !halfAsBits {
		return nil, invalidArgument("t", "the tensor holds %v, not %v", t.DataType, want)
	}
	size, err := elements(t.Shape)
	if err != nil {
		return nil, err
	}
	if width := int64(binary.Size(zero[T]())); size != int64(len(t.Data))/width || int64(len(t.Data))%width != 0 {
		return nil, invalidArgument("t", "%d bytes do not fit %v %v", len(t.Data), t.DataType, t.Shape)
	}
	values := make([]T, size)
	if _, err := binary.Decode(t.Data, binary.LittleEndian, values); err != nil {
		return nil, invalidArgument("t", "%v", err)
	}
	return values, nil
}

// NewTexts makes a tensor of texts, or of bytes of any other meaning, in row-major order. It fails with an [*Error] when
// the shape has other than len(texts) elements.
func NewTexts(texts []string, shape ...int64) (Tensor, error) {
	size, err := elements(shape)
	if err != nil {
		return Tensor{}, err
	}
	if size != int64(len(texts)) {
		return Tensor{}, invalidArgument("shape", "%d texts do not fit the shape %v", len(texts), shape)
	}
	var data []byte
	for _, text := range texts {
		data = binary.LittleEndian.AppendUint32(data, uint32(len(text)))
		data = append(data, text...)
	}
	return Tensor{DataType: panopev1.DataType_DATA_TYPE_BYTES, Shape: shape, Data: data}, nil
}

// Texts reads the elements of a tensor of texts in row-major order. It fails with an [*Error] when the tensor holds
// another type, or its bytes are no texts of its shape.
func Texts(t Tensor) ([]string, error) {
	if t.DataType != panopev1.DataType_DATA_TYPE_BYTES {
		return nil, invalidArgument("t", "the tensor holds %v, not texts", t.DataType)
	}
	size, err := elements(t.Shape)
	if err != nil {
		return nil, err
	}
	texts := make([]string, 0, min(size, int64(len(t.Data)/4)))
	for rest := t.Data; len(rest) > 0; {
		if len(rest) < 4 || int64(binary.LittleEndian.Uint32(rest)) > int64(len(rest)-4) {
			return nil, invalidArgument("t", "%d bytes are no texts of shape %v", len(t.Data), t.Shape)
		}
		end := 4 + int(binary.LittleEndian.Uint32(rest))
		texts = append(texts, string(rest[4:end]))
		rest = rest[end:]
	}
	if int64(len(texts)) != size {
		return nil, invalidArgument("t", "%d texts do not fit the shape %v", len(texts), t.Shape)
	}
	return texts, nil
}

// Infer runs a model on named tensors. It returns the named outputs, or all when no output is named.
func (c *Client) Infer(
	ctx context.Context, model string, inputs map[string]Tensor, outputs ...string,
) (map[string]Tensor, error) {
	request := &panopev1.InferRequest{Model: model, OutputNames: outputs}
	for name, t := range inputs {
		request.Inputs = append(request.Inputs, &panopev1.Tensor{
			Name: name, DataType: t.DataType, Shape: t.Shape, Data: t.Data,
		})
	}
	response, err := c.infer.Infer(ctx, request)
	if err != nil {
		return nil, err
	}
	tensors := make(map[string]Tensor, len(response.GetOutputs()))
	for _, t := range response.GetOutputs() {
		tensors[t.GetName()] = Tensor{DataType: t.GetDataType(), Shape: t.GetShape(), Data: t.GetData()}
	}
	return tensors, nil
}

func elements(shape []int64) (int64, error) {
	size := int64(1)
	for _, length := range shape {
		if length < 0 {
			return 0, invalidArgument("shape", "the shape %v has a negative length", shape)
		}
		size *= length
	}
	return size, nil
}

func zero[T Element]() (z T) { return z }

func dataTypeOf[T Element]() panopev1.DataType {
	switch any(zero[T]()).(type) {
	case bool:
		return panopev1.DataType_DATA_TYPE_BOOL
	case uint8:
		return panopev1.DataType_DATA_TYPE_UINT8
	case uint16:
		return panopev1.DataType_DATA_TYPE_UINT16
	case uint32:
		return panopev1.DataType_DATA_TYPE_UINT32
	case uint64:
		return panopev1.DataType_DATA_TYPE_UINT64
	case int8:
		return panopev1.DataType_DATA_TYPE_INT8
	case int16:
		return panopev1.DataType_DATA_TYPE_INT16
	case int32:
		return panopev1.DataType_DATA_TYPE_INT32
	case int64:
		return panopev1.DataType_DATA_TYPE_INT64
	case float32:
		return panopev1.DataType_DATA_TYPE_FP32
	default:
		return panopev1.DataType_DATA_TYPE_FP64
	}
}
