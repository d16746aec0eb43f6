package panope

import (
	"context"
	"strings"

	"google.golang.org/grpc/metadata"
)

const hardwareKey = "x-panope-hardware"

// ContextWithHardware has the calls that are made with the context run on one of these backends, the most wanted first,
// or be refused with codes.FailedPrecondition. They are names such as "openvino", or words such as "cuda"; "any" at the
// end takes what there is, and no name at all leaves it to the server.
func ContextWithHardware(ctx context.Context, backends ...string) context.Context {
	md, _ := metadata.FromOutgoingContext(ctx)
	md = md.Copy()
	if md == nil {
		md = metadata.MD{}
	}
	md.Delete(hardwareKey)
	if len(backends) > 0 {
		md.Set(hardwareKey, strings.Join(backends, ","))
	}
	return metadata.NewOutgoingContext(ctx, md)
}
