"""The typed gRPC services: they translate and delegate."""
