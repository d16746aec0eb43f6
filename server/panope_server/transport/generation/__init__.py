"""What gRPC and the REST façade have in common where they generate."""
