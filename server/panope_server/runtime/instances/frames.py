"""Input and answers to and from the frames on a worker's socket."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.api import TensorSpec
from panope_backends.errors import BY_REASON, Field, InternalError, InvalidInputError, PanopeError
from panope_backends.frames import FrameError, encode_frame_of
from panope_server.config import Workers
from panope_server.runtime.placement.plan import LoadPlan
from panope_server.runtime.status import EmbedSpec
from panope_server.tasks.embed import EmbedInput, EmbedOutput
from panope_server.tasks.task import Input, Output
from panope_server.tasks.tensors import NamedTensor, TensorInput, TensorOutput
from panope_server.tasks.tokenize import DetokenizeInput, DetokenizeOutput, TokenizedText, TokenizeInput, TokenizeOutput

_log = structlog.get_logger("panope.instances")


def load_frame(plan: LoadPlan, workers: Workers) -> wire.ServerFrame:
    """The first frame of a worker."""
    load = wire.Load(
        model=plan.model,
        task=plan.task,
        backend=plan.backend,
        device=plan.device,
        precision=plan.precision,
        format=plan.format,
        folder=str(plan.folder),
        cache_folder=str(plan.cache_folder),
        max_batch_tokens=workers.max_batch_tokens,
        max_batch_size=workers.max_batch_size,
        batch_wait_microseconds=round(workers.batch_wait_ms * 1000),
        grants=plan.grants,
        max_batch_bytes=workers.batch_bytes,
    )
    return wire.ServerFrame(load=load)


def input_frame(frame_id: int, task_input: Input, request_id: str) -> tuple[bytes, int]:
    """The frame that asks for work, ready to be sent, and where in it the work itself begins.

    Raises:
        InvalidInputError: the work has a value that a frame cannot carry, or is too long for one.
    """
    try:
        head, body = wire.ServerFrame(id=frame_id, request_id=request_id).SerializeToString(), _body(task_input)
        frame = encode_frame_of(head, data := body.SerializeToString())
        return frame, len(frame) - len(data)
    except FrameError as error:
        raise InvalidInputError(f"the request is too long: {error}") from None
    except (ValueError, TypeError) as error:  # protobuf's words are not for callers
        _log.warning("request_not_encoded", request_id=request_id, error=type(error).__name__)
        raise InvalidInputError("the request has a value outside the range of its field") from None


def _body(task_input: Input) -> wire.ServerFrame:
    frame = wire.ServerFrame()
    match task_input:
        case EmbedInput():
            embed = frame.embed
            embed.truncation = task_input.truncation
            embed.texts.extend(task_input.texts)
            embed.token_sequences.extend(_sequences(task_input.token_sequences))
            if task_input.normalize is not None:
                embed.normalize = task_input.normalize
            if task_input.dimensions is not None:
                embed.dimensions = task_input.dimensions
            if task_input.prompt_name is not None:
                embed.prompt_name = task_input.prompt_name
            embed.purpose = task_input.purpose
        case TensorInput():
            frame.tensors.inputs.extend(
                wire.Tensor(name=t.name, dtype=t.dtype, shape=t.shape, data=t.data) for t in task_input.inputs
            )
            frame.tensors.output_names.extend(task_input.output_names)
        case TokenizeInput():
            frame.tokenize.texts.extend(task_input.texts)
            frame.tokenize.add_special_tokens = task_input.add_special_tokens
        case DetokenizeInput():
            frame.detokenize.token_sequences.extend(_sequences(task_input.token_sequences))
            frame.detokenize.skip_special_tokens = task_input.skip_special_tokens
    return frame


def _sequences(sequences: Sequence[Sequence[int]]) -> list[wire.TokenSequence]:
    return [wire.TokenSequence(ids=ids) for ids in sequences]


def answer_of(frame: wire.WorkerFrame) -> Output:
    """The answer in a frame.

    Raises:
        PanopeError: the failure in the frame, as the class that its reason names.
    """
    match frame.WhichOneof("body"):
        case "embed":
            embed = frame.embed
            return EmbedOutput(
                vectors=embed.vectors,
                count=len(embed.token_counts),
                dimensions=embed.dimensions,
                token_counts=list(embed.token_counts),
                truncated_indices=list(embed.truncated_indices),
            )
        case "tensors":
            return TensorOutput([NamedTensor(t.name, t.dtype, tuple(t.shape), t.data) for t in frame.tensors.outputs])
        case "tokenize":
            texts = frame.tokenize.texts
            return TokenizeOutput(
                [
                    TokenizedText(list(t.ids), list(t.tokens), list(t.starts), list(t.ends), list(t.special))
                    for t in texts
                ]
            )
        case "detokenize":
            return DetokenizeOutput(list(frame.detokenize.texts))
        case "failure":
            raise error_of(frame.failure)
        case other:
            raise InternalError(f"the worker answered with `{other}`")


def error_of(failure: wire.Failure) -> PanopeError:
    """The error that a worker told, as the class that its reason names."""
    kind = BY_REASON.get(failure.reason, InternalError)
    sentence = tuple(Field(piece.field) if piece.HasField("field") else piece.text for piece in failure.sentence)
    return kind(sentence, reason=failure.reason, field=failure.field)


def specs_of(specs: Sequence[wire.TensorSpec]) -> tuple[TensorSpec, ...]:
    """What a model takes or gives."""
    return tuple(TensorSpec(spec.name, spec.dtype, tuple(spec.shape)) for spec in specs)


def embed_spec_of(ready: wire.Ready) -> EmbedSpec | None:
    """What an `embed` model takes and gives; None for other tasks."""
    if not ready.HasField("embed"):
        return None
    facts = ready.embed
    return EmbedSpec(
        dimensions=facts.dimensions,
        max_tokens=facts.max_tokens,
        prompt_names=tuple(facts.prompt_names),
        pooling=facts.pooling,
        normalize=facts.normalize,
        batching=facts.batching,
    )
