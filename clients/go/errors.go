package panope

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// domain is that of the server's ErrorInfo; the reasons of others are not Panope's.
const domain = "panope"

// Error is what every call of a [Client] fails with; find it by errors.As.
//
// An argument that this package refuses itself, and a message that is larger than gRPC lets through, have
// codes.InvalidArgument, as what the server finds wrong; a response that breaks its protocol has codes.Unknown.
type Error struct {
	// Code is the gRPC status code.
	Code codes.Code
	// Message is a sentence for a person, the server's where it gave one.
	Message string
	// Reason is a stable word for programs, such as "model_not_found"; empty when the server gave none.
	Reason string
	// Field is the request field or the argument at fault, such as "texts[3]"; empty when none is.
	Field string
	// RetryAfter is when the server expects the same call to succeed; 0 when it gave no hint.
	RetryAfter time.Duration
	// RequestID is the call's id in the server's log; empty when the server gave none.
	RequestID string

	status *status.Status
}

// Error is the message with the reason, or with the code when there is none.
func (e *Error) Error() string {
	reason := e.Reason
	if reason == "" {
		reason = e.Code.String()
	}
	return fmt.Sprintf("panope: %s (%s)", e.Message, reason)
}

// GRPCStatus lets status.FromError and status.Code read the error.
func (e *Error) GRPCStatus() *status.Status {
	return e.status
}

// Is matches the errors of contexts, so that errors.Is(err, context.DeadlineExceeded) works.
func (e *Error) Is(target error) bool {
	switch target {
	case context.DeadlineExceeded:
		return e.Code == codes.DeadlineExceeded
	case context.Canceled:
		return e.Code == codes.Canceled
	default:
		return false
	}
}

// errorOf makes the Error of a call from gRPC's error and the trailing metadata; nil for nil.
func errorOf(err error, trailer metadata.MD) error {
	if err == nil {
		return nil
	}
	st := status.Convert(err)
	if e := callersFault(st, trailer); e != nil {
		return e
	}
	e := &Error{Code: st.Code(), Message: st.Message(), RequestID: last(trailer, "x-request-id"), status: st}
	for _, detail := range st.Details() {
		e.read(detail)
	}
	switch {
	case forbidsRetry(trailer):
		e.RetryAfter = 0
	case e.RetryAfter == 0:
		e.RetryAfter = retryAfter(trailer)
	}
	return e
}

func (e *Error) read(detail any) {
	switch detail := detail.(type) {
	case *errdetails.ErrorInfo:
		if detail.GetDomain() == domain {
			e.Reason = strings.ToLower(detail.GetReason())
		}
	case *errdetails.BadRequest:
		if violations := detail.GetFieldViolations(); len(violations) > 0 {
			e.Field = violations[0].GetField()
		}
	case *errdetails.RetryInfo:
		e.RetryAfter = detail.GetRetryDelay().AsDuration()
	}
}

func forbidsRetry(trailer metadata.MD) bool {
	return last(trailer, "x-should-retry") == "false" || strings.HasPrefix(last(trailer, "grpc-retry-pushback-ms"), "-")
}

func retryAfter(trailer metadata.MD) time.Duration {
	for _, key := range []string{"grpc-retry-pushback-ms", "retry-after-ms"} {
		if wait, err := strconv.ParseUint(last(trailer, key), 10, 31); err == nil {
			return time.Duration(wait) * time.Millisecond
		}
	}
	return 0
}

func last(md metadata.MD, key string) string {
	values := md.Get(key)
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}
