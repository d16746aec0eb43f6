package panope

import (
	"fmt"
	"regexp"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// invalidArgument makes the error of an argument that this package refuses before any call; field is its name.
func invalidArgument(field, format string, arguments ...any) *Error {
	e := newError(codes.InvalidArgument, fmt.Sprintf(format, arguments...))
	e.Field = field
	return e
}

// invalidResponse makes the error of a response that breaks its protocol.
func invalidResponse(format string, arguments ...any) *Error {
	return newError(codes.Unknown, fmt.Sprintf(format, arguments...))
}

func newError(code codes.Code, message string) *Error {
	return &Error{Code: code, Message: message, status: status.New(code, message)}
}

// tooLarge matches the words with which gRPC refuses a message over a limit, by itself and with the code of a full queue.
var tooLarge = regexp.MustCompile(`(SERVER: Received|trying to send|SERVER: Sent|grpc: received) message larger than max`)

// ofRequest says which of the words of tooLarge speak of the request; the others speak of the response.
var ofRequest = map[string]bool{"SERVER: Received": true, "trying to send": true}

// callersFault makes the error of a request that gRPC itself refused and that can never succeed; nil for any other.
func callersFault(st *status.Status, trailer metadata.MD) *Error {
	var e *Error
	switch match := tooLarge.FindStringSubmatch(st.Message()); {
	case st.Code() == codes.ResourceExhausted && match != nil:
		e = newError(codes.InvalidArgument, st.Message())
		e.Reason = "response_too_large"
		if ofRequest[match[1]] {
			e.Reason = "request_too_large"
		}
	case st.Code() == codes.Internal && strings.Contains(st.Message(), "error while marshaling"):
		e = newError(codes.InvalidArgument, "a text of the request is not valid UTF-8")
	default:
		return nil
	}
	e.RequestID = last(trailer, "x-request-id")
	return e
}
