package panope_test

import (
	"math"
	"reflect"
	"strings"
	"testing"

	panope "github.com/panope/panope/clients/go"
	"github.com/panope/panope/clients/go/panopev1"
)

func TestTensorsComeBackAsTheyWent(t *testing.T) {
	client := start(t, &fake{})
	ids, err := panope.NewTensor([]int64{1, -2, 3, math.MaxInt64}, 2, 2)
	if err != nil {
		t.Fatal(err)
	}

	got, err := client.Infer(t.Context(), model, map[string]panope.Tensor{"ids": ids}, "ids")
	if err != nil {
		t.Fatal(err)
	}

	if !reflect.DeepEqual(got, map[string]panope.Tensor{"ids": ids}) {
		t.Errorf("got %v, want %v", got, ids)
	}
}

func TestValuesSurviveATensor(t *testing.T) {
	survive(t, []bool{true, false})
	survive(t, []uint8{0, 255})
	survive(t, []uint16{1, math.MaxUint16})
	survive(t, []uint32{1, math.MaxUint32})
	survive(t, []uint64{1, math.MaxUint64})
	survive(t, []int8{-128, 127})
	survive(t, []int16{-1, math.MaxInt16})
	survive(t, []int32{-1, math.MaxInt32})
	survive(t, []int64{-1, math.MaxInt64})
	survive(t, []float32{-0.5, math.MaxFloat32})
	survive(t, []float64{-0.5, math.MaxFloat64})
}

func survive[T panope.Element](t *testing.T, values []T) {
	t.Helper()
	tensor, err := panope.NewTensor(values, int64(len(values)))
	if err != nil {
		t.Fatal(err)
	}
	back, err := panope.Values[T](tensor)
	if err != nil || !reflect.DeepEqual(back, values) {
		t.Errorf("%T: got %v, %v; want %v", values, back, err, values)
	}
}

func TestHalfPrecisionIsReadAsBits(t *testing.T) {
	half := panope.Tensor{DataType: panopev1.DataType_DATA_TYPE_FP16, Shape: []int64{1}, Data: []byte{0x00, 0x3c}}

	bits, err := panope.Values[uint16](half)

	if err != nil || !reflect.DeepEqual(bits, []uint16{0x3c00}) {
		t.Errorf("got %x, %v", bits, err)
	}
}

func TestTextsSurviveTheTensor(t *testing.T) {
	texts := []string{"Grüße", "", "\x00\xff"}
	tensor, err := panope.NewTexts(texts, 3, 1)
	if err != nil {
		t.Fatal(err)
	}
	back, err := panope.Texts(tensor)
	if err != nil || !reflect.DeepEqual(back, texts) {
		t.Errorf("got %q, %v; want %q", back, err, texts)
	}
}

func TestTextsThatDoNotHoldTogetherAreRefused(t *testing.T) {
	kind := panopev1.DataType_DATA_TYPE_BYTES
	of := func(data string) error {
		return second(panope.Texts(panope.Tensor{DataType: kind, Shape: []int64{1}, Data: []byte(data)}))
	}
	cases := map[string]error{
		"2 texts do not fit the shape [3]":  second(panope.NewTexts([]string{"a", "b"}, 3)),
		"holds DATA_TYPE_UNSPECIFIED, not":  second(panope.Texts(panope.Tensor{})),
		"0 texts do not fit the shape [1]":  of(""),
		"3 bytes are no texts of shape [1]": of("\x00\x00\x00"),
		"5 bytes are no texts of shape [1]": of("\xff\xff\xff\xffa"),
		"2 texts do not fit the shape [1]":  of("\x00\x00\x00\x00\x00\x00\x00\x00"),
	}
	for words, fault := range cases {
		if fault == nil || !strings.Contains(fault.Error(), words) {
			t.Errorf("got %v, want %q", fault, words)
		}
	}
}

func TestTensorsThatDoNotHoldTogetherAreRefused(t *testing.T) {
	fp32 := panopev1.DataType_DATA_TYPE_FP32
	cases := []struct {
		words string
		fault error
	}{
		{"3 values do not fit the shape [2 2]", second(panope.NewTensor([]int8{1, 2, 3}, 2, 2))},
		{"negative length", second(panope.NewTensor([]int8{1}, -1, -1))},
		{"holds DATA_TYPE_FP32, not DATA_TYPE_INT32", second(panope.Values[int32](panope.Tensor{DataType: fp32}))},
		{"7 bytes do not fit", second(panope.Values[float32](
			panope.Tensor{DataType: fp32, Shape: []int64{1}, Data: make([]byte, 7)}))},
	}
	for _, c := range cases {
		if c.fault == nil || !strings.Contains(c.fault.Error(), c.words) {
			t.Errorf("got %v, want %q", c.fault, c.words)
		}
	}
}

func second[T any](_ T, err error) error { return err }
