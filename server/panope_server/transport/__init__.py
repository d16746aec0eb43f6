"""What clients reach: gRPC services, the REST façade, the admin port."""
