"""Input and answers to and from the frames on a worker's socket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.api import GenerationStatistics, TensorSpec
from panope_backends.errors import BY_REASON, Field, InternalError, InvalidInputError, PanopeError
from panope_backends.wire.frames import LENGTH_BYTES, FrameError, encode_frame_of
from panope_server.config import Workers
from panope_server.runtime.call_context import CallContext
from panope_server.runtime.placement.plan import LoadPlan
from panope_server.runtime.status import TokenIntervals
from panope_server.tasks.task import Request

#: The worker only tells callers apart.
_UNSIGNED = (1 << 64) - 1


def load_frame(plan: LoadPlan, workers: Workers, devices: Sequence[str]) -> wire.ServerFrame:
    """The first frame of a worker that runs a plan on a device, or on several that it is divided over."""
    load = wire.Load(
        model=plan.model,
        task=plan.task,
        backend=plan.backend,
        device=devices[0],
        precision=plan.precision,
        format=plan.format,
        folder=str(plan.folder),
        cache_folder=str(plan.cache_folder or ""),
        max_batch_tokens=workers.max_batch_tokens,
        max_batch_size=workers.max_batch_size,
        batch_wait_microseconds=round(workers.batch_wait_ms * 1000),
        grants=plan.grants,
        max_batch_bytes=workers.batch_bytes,
        target_batch_microseconds=round(workers.target_batch_ms * 1000),
        task_settings=plan.task_settings,
        backend_settings=plan.backend_settings,
        max_memory_bytes=plan.memory_limit_bytes,
        variant_digest=plan.variant_digest,
        model_number=plan.model_number,
        peer_devices=devices[1:],
        media_limits=wire.MediaLimits(
            max_image_bytes=plan.media_limits.max_image_bytes,
            max_image_pixels=plan.media_limits.max_image_pixels,
            max_audio_bytes=plan.media_limits.max_audio_bytes,
            max_audio_seconds=plan.media_limits.max_audio_seconds,
            max_document_bytes=plan.media_limits.max_document_bytes,
            max_pages=plan.media_limits.max_pages,
            max_page_seconds=plan.media_limits.max_page_seconds,
            max_video_bytes=plan.media_limits.max_video_bytes,
            max_video_pixels=plan.media_limits.max_video_pixels,
            max_video_frames=plan.media_limits.max_video_frames,
        ),
    )
    return wire.ServerFrame(load=load)


def adapter_frame(plan: LoadPlan, number: int) -> wire.ServerFrame:
    """Asks the worker of a base model for an adapter of it, which requests then name by a number."""
    load = wire.LoadAdapter(
        model_number=number,
        model=plan.model,
        folder=str(plan.folder),
        variant_digest=plan.variant_digest,
    )
    return wire.ServerFrame(load_adapter=load)


def request_frame(
    frame_id: int, request: Request, context: CallContext, flow_id: int, model_number: int = 0
) -> tuple[bytes, int]:
    """The frame that asks for a request, ready to be sent, and where in it what is asked begins.

    Raises:
        InvalidInputError: the request is too long for a frame.
    """
    head = wire.ServerFrame(
        id=frame_id,
        request_id=context.request_id,
        flow_id=flow_id,
        caller_id=hash(context.caller) & _UNSIGNED,
        priority=context.priority,
        deadline_nanoseconds=_deadline(context),
    ).SerializeToString()
    asked = wire.Request(task=request.task, input=request.data, model_number=model_number)
    body = wire.ServerFrame(request=asked).SerializeToString()
    try:
        frame = encode_frame_of(head, body)
    except FrameError as error:
        raise InvalidInputError(f"the request is too long: {error}") from None
    return frame, len(frame) - len(body)


def _deadline(context: CallContext) -> int:
    """When a worker may drop a request without a word; 0 for never."""
    return 0 if context.deadline is None or context.is_shared else round(context.deadline * 1e9)


def frame_to(number: int, frame: bytes) -> bytes:
    """The frame of a request for what a worker knows by a number: what comes last in a message counts."""
    told = wire.ServerFrame(request=wire.Request(model_number=number)).SerializeToString()
    return encode_frame_of(frame[LENGTH_BYTES:], told)


def error_of(failure: wire.Failure) -> PanopeError:
    """The error that a worker told, as the class that its reason names."""
    kind = BY_REASON.get(failure.reason, InternalError)
    sentence = tuple(Field(piece.field) if piece.HasField("field") else piece.text for piece in failure.sentence)
    return kind(sentence, reason=failure.reason, field=failure.field)


def specs_of(specs: Sequence[wire.TensorSpec]) -> tuple[TensorSpec, ...]:
    """What a model takes or gives."""
    return tuple(TensorSpec(spec.name, spec.dtype, tuple(spec.shape)) for spec in specs)


def statistics_of(told: wire.GenerationStatistics | None) -> GenerationStatistics | None:
    """What an instance that generates has told of itself."""
    if told is None:
        return None
    return GenerationStatistics(**{field.name: getattr(told, field.name) for field in fields(GenerationStatistics)})


def intervals_of(told: wire.GenerationStatistics | None) -> TokenIntervals | None:
    """The times between tokens that it has told."""
    return None if told is None else TokenIntervals(tuple(told.token_intervals), told.token_interval_seconds)
