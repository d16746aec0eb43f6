# Generated from panope_client/aio/client.py by clients/python/generate.py; do not edit.
"""The client that programs use."""

from __future__ import annotations

from panope_client.sync.alias_calls import AliasCalls
from panope_client.sync.cache_calls import CacheCalls
from panope_client.sync.classify_calls import ClassifyCalls
from panope_client.sync.embed_calls import EmbedCalls
from panope_client.sync.generate_calls import GenerateCalls
from panope_client.sync.generation_job_calls import GenerationJobCalls
from panope_client.sync.health_calls import HealthCalls
from panope_client.sync.image_calls import ImageCalls
from panope_client.sync.infer_calls import InferCalls
from panope_client.sync.job_calls import JobCalls
from panope_client.sync.key_calls import KeyCalls
from panope_client.sync.model_calls import ModelCalls
from panope_client.sync.speech_calls import SpeechCalls
from panope_client.sync.text_calls import TextCalls
from panope_client.sync.usage_calls import UsageCalls
from panope_client.sync.video_calls import VideoCalls


class Client(
    EmbedCalls,
    GenerateCalls,
    ClassifyCalls,
    ImageCalls,
    VideoCalls,
    SpeechCalls,
    TextCalls,
    InferCalls,
    ModelCalls,
    AliasCalls,
    JobCalls,
    GenerationJobCalls,
    UsageCalls,
    KeyCalls,
    CacheCalls,
    HealthCalls,
):
    """A connection to a Panope server, which threads may share, closed by `close` or `with`.

    Calls that run models take `priority`, `high`, `normal` or `low`: `normal` where nothing is said, and at most what
    their key may have; those that generate take a number, see `GenerateOptions`. A call whose `timeout` is sooner than
    the model can answer is refused at once (`deadline_unreachable`).

    Every call takes `timeout`, the seconds it may take with all its retries: None takes the client's, `math.inf` waits
    for ever. Every call fails with a `PanopeClientError`; see `panope_client.errors` for the tree.

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
