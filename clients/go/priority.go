package panope

import (
	"context"

	"google.golang.org/grpc/metadata"
)

const priorityKey = "x-panope-priority"

// Priority is how urgent a call is. Of those that wait for a model, the more urgent are taken first.
type Priority string

// What Priority can be. A call that says nothing is normal; none is above what its key may have.
const (
	PriorityHigh   Priority = "high"
	PriorityNormal Priority = "normal"
	PriorityLow    Priority = "low"
)

// ContextWithPriority gives a priority to the calls that are made with the context. One that is none fails them with
// codes.InvalidArgument.
func ContextWithPriority(ctx context.Context, priority Priority) context.Context {
	md, _ := metadata.FromOutgoingContext(ctx)
	md = md.Copy()
	if md == nil {
		md = metadata.MD{}
	}
	md.Set(priorityKey, string(priority))
	return metadata.NewOutgoingContext(ctx, md)
}
