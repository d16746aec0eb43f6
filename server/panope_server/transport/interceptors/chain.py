"""The layers around every gRPC method, the outermost first.

    arrival      its message has come; a stream of messages may end when memory is short
    errors       every error becomes a status; the call has an id and counts as running
    accounting   its end is counted, timed and logged
    auth         its caller is known from here on, and may call this method
    rate         its key's limits on requests, unless it runs a model
    requests     its message is read and within the limits

Of what is run on models the pipeline counts the requests, which knows the model and its tokens too.
"""

from __future__ import annotations

from collections.abc import Sequence

import grpc

from panope_server.access.authentication import Authenticator
from panope_server.access.limiter import Limiter
from panope_server.observability.memory import used_bytes
from panope_server.observability.metrics import Metrics
from panope_server.transport.interceptors.accounting import AccountingInterceptor
from panope_server.transport.interceptors.arrival import MAX_SLOW, ArrivalInterceptor, Arrivals
from panope_server.transport.interceptors.auth import AuthInterceptor, OnDenied
from panope_server.transport.interceptors.errors import ErrorInterceptor
from panope_server.transport.interceptors.rate import RateInterceptor
from panope_server.transport.interceptors.requests import RequestInterceptor
from panope_server.transport.running_calls import RunningCalls

#: What the server may have in use besides as many messages as may be on the way.
HEADROOM_BYTES = 512 << 20


def interceptors_for(
    calls: RunningCalls,
    metrics: Metrics,
    authenticator: Authenticator,
    *,
    log_requests: bool,
    max_message_bytes: int,
    on_denied: OnDenied = lambda _principal, _permission: None,
    limiter: Limiter | None = None,
) -> Sequence[grpc.aio.ServerInterceptor]:
    """The layers of one server.

    Args:
        calls: counts those that run.
        metrics: where calls are counted.
        authenticator: knows callers.
        log_requests: whether each call is a line of the log.
        max_message_bytes: of one request.
        on_denied: told of callers that are known and may not call a method.
        limiter: of the keys' limits; None where keys have none.
    """
    # Beside what the process had before there were calls.
    max_used_bytes = used_bytes(0) + HEADROOM_BYTES + MAX_SLOW * max_message_bytes
    arrivals = Arrivals(max_used_bytes, max_message_bytes)
    return (
        ArrivalInterceptor(arrivals),
        ErrorInterceptor(calls),
        AccountingInterceptor(metrics, log_requests=log_requests),
        AuthInterceptor(authenticator, on_denied),
        *([] if limiter is None else [RateInterceptor(limiter)]),
        RequestInterceptor(calls, max_message_bytes),
    )
