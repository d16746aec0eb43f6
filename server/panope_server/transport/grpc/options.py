"""The limits and timers of a gRPC server's connections."""

from __future__ import annotations

#: 2,048 vectors of 4,096 dimensions are 92 MB of JSON.
MAX_SEND_BYTES = 256 << 20
MAX_METADATA_BYTES = 16 << 10

#: gRPC reads so many times the limit, so that `RequestInterceptor` can say what is wrong with a message past it. Past
#: this gRPC itself ends the call, with RESOURCE_EXHAUSTED and no details.
RECEIVE_FACTOR = 2


def server_options(max_message_bytes: int) -> list[tuple[str, int]]:
    """Returns the options of a server whose requests have at most so many bytes."""
    return [
        ("grpc.max_receive_message_length", max_message_bytes * RECEIVE_FACTOR),
        ("grpc.max_send_message_length", MAX_SEND_BYTES),
        # With the default, a second server would share the port in silence.
        ("grpc.so_reuseport", 0),
        # Between the soft and the hard limit gRPC drops requests at random, so both are the same.
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.max_concurrent_streams", 1024),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        # Long calls of clients with keepalive of their own must not end with "too many pings".
        # Clients ping every 10 s at the soonest; half of it, for clocks and networks jitter.
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        # Of pings that come sooner; the third ends the connection.
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.server_handshake_timeout_ms", 10_000),
        # Clients connect again by themselves.
        ("grpc.max_connection_idle_ms", 15 * 60_000),
    ]
