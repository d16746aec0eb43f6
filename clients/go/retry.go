package panope

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
)

// RetryPolicy says how far the server's hints to come back later are followed. The server knows its queue, and a client
// that guesses makes an overload worse: without a hint nothing is repeated.
type RetryPolicy struct {
	// MaxAttempts counts the tries of one call, the first included; 1 never retries.
	MaxAttempts int
	// MaxWait is the longest hint that is followed; a call with a longer one fails at once.
	MaxWait time.Duration
	// Jitter is the largest part of a wait that is added to it at random, so that callers refused together do not come
	// back together.
	Jitter float64
	// Budget is how many retries may be made in a row when no call succeeds at first.
	Budget float64
	// Refill is what each new call gives back to the budget; 0.1 allows one retry for ten calls in the long run.
	Refill float64
}

// DefaultRetryPolicy is that of clients that are not told another.
var DefaultRetryPolicy = RetryPolicy{MaxAttempts: 4, MaxWait: 30 * time.Second, Jitter: 0.2, Budget: 10, Refill: 0.1}

// retrier repeats the calls of one client and turns their errors into Errors.
type retrier struct {
	policy  RetryPolicy
	now     func() time.Time
	uniform func() float64
	sleep   func(ctx context.Context, wait time.Duration) error

	mu   sync.Mutex
	left float64 // of the budget
}

func newRetrier(policy RetryPolicy) *retrier {
	return &retrier{policy: policy, now: time.Now, uniform: rand.Float64, sleep: sleep, left: policy.Budget}
}

// intercept is a grpc.UnaryClientInterceptor.
func (r *retrier) intercept(
	ctx context.Context, method string, request, reply any,
	conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	r.refill()
	for attempt := 1; ; attempt++ {
		var trailer metadata.MD
		err := errorOf(invoke(ctx, method, request, reply, conn, append(options, grpc.Trailer(&trailer))...), trailer)
		wait, again := r.waitAfter(ctx, err, attempt)
		if !again {
			return err
		}
		if r.sleep(ctx, wait) != nil {
			return err // the caller left: what the server said tells more than that
		}
	}
}

// waitAfter tells how long to wait before the next try, or that err is the call's result.
func (r *retrier) waitAfter(ctx context.Context, err error, attempt int) (time.Duration, bool) {
	var failure *Error
	if !errors.As(err, &failure) || failure.RetryAfter <= 0 {
		return 0, false
	}
	if failure.Code != codes.Unavailable && failure.Code != codes.ResourceExhausted {
		return 0, false
	}
	if attempt >= r.policy.MaxAttempts || failure.RetryAfter > r.policy.MaxWait {
		return 0, false
	}
	wait := failure.RetryAfter + time.Duration(float64(failure.RetryAfter)*r.policy.Jitter*r.uniform())
	if deadline, ok := ctx.Deadline(); ok && !r.now().Add(wait).Before(deadline) {
		return 0, false
	}
	return wait, r.spend()
}

func (r *retrier) refill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = min(r.policy.Budget, r.left+r.policy.Refill)
}

func (r *retrier) spend() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left < 1 {
		return false
	}
	r.left--
	return true
}

func sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
