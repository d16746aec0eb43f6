"""The client that programs use."""

from __future__ import annotations

from panope_client.aio.alias_calls import AsyncAliasCalls
from panope_client.aio.cache_calls import AsyncCacheCalls
from panope_client.aio.classify_calls import AsyncClassifyCalls
from panope_client.aio.embed_calls import AsyncEmbedCalls
from panope_client.aio.generate_calls import AsyncGenerateCalls
from panope_client.aio.generation_job_calls import AsyncGenerationJobCalls
from panope_client.aio.health_calls import AsyncHealthCalls
from panope_client.aio.image_calls import AsyncImageCalls
from panope_client.aio.infer_calls import AsyncInferCalls
from panope_client.aio.job_calls import AsyncJobCalls
from panope_client.aio.key_calls import AsyncKeyCalls
from panope_client.aio.model_calls import AsyncModelCalls
from panope_client.aio.speech_calls import AsyncSpeechCalls
from panope_client.aio.text_calls import AsyncTextCalls
from panope_client.aio.usage_calls import AsyncUsageCalls
from panope_client.aio.video_calls import AsyncVideoCalls


class AsyncClient(
    AsyncEmbedCalls,
    AsyncGenerateCalls,
    AsyncClassifyCalls,
    AsyncImageCalls,
    AsyncVideoCalls,
    AsyncSpeechCalls,
    AsyncTextCalls,
    AsyncInferCalls,
    AsyncModelCalls,
    AsyncAliasCalls,
    AsyncJobCalls,
    AsyncGenerationJobCalls,
    AsyncUsageCalls,
    AsyncKeyCalls,
    AsyncCacheCalls,
    AsyncHealthCalls,
):
    """A connection to a Panope server, used inside one event loop and closed by `close` or `async with`.

    Calls that run models take `priority`, `high`, `normal` or `low`: `normal` where nothing is said, and at most what
    their key may have; those that generate take a number, see `GenerateOptions`. A call whose `timeout` is sooner than
    the model can answer is refused at once (`deadline_unreachable`).

    Every call takes `timeout`, the seconds it may take with all its retries: None takes the client's, `math.inf` waits
    for ever. Every call fails with a `PanopeClientError`; see `panope_client.errors` for the tree. A task that is
    cancelled cancels its call at the server.

    Args:
        address: `HOST:PORT` of the server's gRPC port.
        credentials: for TLS, such as `grpc.ssl_channel_credentials()`; None speaks plain text.
        api_key: sent with every call, as `authorization: Bearer KEY`; empty for none. Without TLS others on the way can
            read it.
        metadata: sent with every call.
        timeout: seconds, for calls that name none.
        retries: how far the server's hints to come back later are followed.

    Raises:
        InvalidArgumentError: an argument is wrong; no connection is made before the first call.
    """
