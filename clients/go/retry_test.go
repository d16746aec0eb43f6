package panope

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// play runs one call that fails with the errors in order and then succeeds, on a clock that only sleeping moves.
func play(t *testing.T, r *retrier, ctx context.Context, errs ...error) (slept []time.Duration, result error) {
	t.Helper()
	now := time.Now()
	r.now = func() time.Time { return now }
	r.uniform = func() float64 { return 0.5 }
	r.sleep = func(_ context.Context, wait time.Duration) error {
		slept = append(slept, wait)
		now = now.Add(wait)
		return nil
	}
	invoke := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
		if len(errs) == 0 {
			return nil
		}
		err := errs[0]
		errs = errs[1:]
		return err
	}
	return slept, r.intercept(ctx, "/m", nil, nil, nil, invoke)
}

func hint(t *testing.T, code codes.Code, wait time.Duration) error {
	t.Helper()
	st, err := status.New(code, "later").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(wait)})
	if err != nil {
		t.Fatal(err)
	}
	return st.Err()
}

func TestARefusedCallWaitsAsLongAsTheServerSays(t *testing.T) {
	slept, err := play(t, newRetrier(DefaultRetryPolicy), t.Context(),
		hint(t, codes.ResourceExhausted, time.Second), hint(t, codes.Unavailable, 2*time.Second))

	want := []time.Duration{1100 * time.Millisecond, 2200 * time.Millisecond}
	if err != nil || !slices.Equal(slept, want) {
		t.Errorf("slept %v, %v; want %v", slept, err, want)
	}
}

func TestWithoutAHintOrWithAnotherCodeACallIsNeverRepeated(t *testing.T) {
	for _, failure := range []error{
		status.Error(codes.Unavailable, "no hint"),
		hint(t, codes.Internal, time.Second),
		hint(t, codes.Unavailable, time.Hour),
	} {
		slept, err := play(t, newRetrier(DefaultRetryPolicy), t.Context(), failure)
		if len(slept) != 0 || status.Code(err) != status.Code(failure) {
			t.Errorf("%v: slept %v, got %v", failure, slept, err)
		}
	}
}

func TestAWaitPastTheDeadlineIsNotBegun(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()

	slept, err := play(t, newRetrier(DefaultRetryPolicy), ctx,
		hint(t, codes.Unavailable, 2*time.Second), hint(t, codes.Unavailable, 2*time.Second))

	if len(slept) != 1 || status.Code(err) != codes.Unavailable {
		t.Errorf("slept %v, got %v", slept, err)
	}
}

func TestACallGivesUpAfterItsAttempts(t *testing.T) {
	later := hint(t, codes.Unavailable, time.Second)

	slept, err := play(t, newRetrier(DefaultRetryPolicy), t.Context(), later, later, later, later)

	if len(slept) != DefaultRetryPolicy.MaxAttempts-1 || err == nil {
		t.Errorf("slept %v, got %v", slept, err)
	}
}

func TestWhenMostCallsFailMostRetriesStop(t *testing.T) {
	r := newRetrier(RetryPolicy{MaxAttempts: 2, MaxWait: time.Minute, Budget: 5, Refill: 0.125})
	later := hint(t, codes.Unavailable, time.Second)

	retries := 0
	for range 40 {
		slept, _ := play(t, r, t.Context(), later, later)
		retries += len(slept)
	}

	if retries != 9 { // the budget of 5, and one for every eight calls once some of it was spent
		t.Errorf("%d retries", retries)
	}
}

func TestACallerThatLeavesDuringAWaitGetsTheServersWords(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	later := hint(t, codes.Unavailable, 20*time.Second)
	invoke := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
		cancel()
		return later
	}

	err := newRetrier(DefaultRetryPolicy).intercept(ctx, "/m", nil, nil, nil, invoke)

	if status.Code(err) != codes.Unavailable {
		t.Errorf("got %v", err)
	}
}

func TestTrailersAreHintsAndProhibitions(t *testing.T) {
	later := status.Error(codes.Unavailable, "later")
	cases := []struct {
		trailer metadata.MD
		want    time.Duration
	}{
		{metadata.Pairs("retry-after-ms", "250"), 250 * time.Millisecond},
		{metadata.Pairs("grpc-retry-pushback-ms", "40"), 40 * time.Millisecond},
		{metadata.Pairs("grpc-retry-pushback-ms", "-1"), 0},
		{metadata.Pairs("retry-after-ms", "250", "x-should-retry", "false"), 0},
		{metadata.Pairs("retry-after-ms", "soon"), 0},
		{nil, 0},
	}
	for _, c := range cases {
		var got *Error
		if !errors.As(errorOf(later, c.trailer), &got) || got.RetryAfter != c.want {
			t.Errorf("%v: got %v, want %v", c.trailer, got, c.want)
		}
	}
}
