"""What every gRPC call passes before and after its method."""
