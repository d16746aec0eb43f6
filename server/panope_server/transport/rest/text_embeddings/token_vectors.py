"""The vector of each token, before pooling: the model's own tensors, run for one text at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from panope_backends.api import TensorSpec
from panope_backends.errors import InternalError, InvalidInputError, PreconditionError
from panope_server.pipeline.call import Call
from panope_server.runtime.status import ModelView
from panope_server.tasks.embed import EmbedInput, EmbedOutput
from panope_server.tasks.tensors import NamedTensor, TensorInput, TensorOutput
from panope_server.tasks.tokenize import TokenizeInput, TokenizeOutput
from panope_server.transport.interceptors.context import Context, call_for
from panope_server.transport.interfaces import Models

#: The outputs that hold a vector for each token, by their usual names.
_OUTPUTS = ("last_hidden_state", "token_embeddings")
_TASK = "embed"


#: How models are pooled whose answer is a vector for each token.
_MULTI = ("maxsim", "meanmaxsim")


async def token_vectors(
    run: Callable[[Call], Awaitable[object]],
    models: Models,
    texts: list[str],
    context: Context,
    interface: str,
    *,
    model: str,
    single: bool,
    prompt_name: str | None = None,
) -> list[bytes]:
    """A JSON list of vectors for each text, one for each of its tokens, special ones included.

    Args:
        run: runs one call.
        models: tells what the model takes and gives.
        texts: of the body's `inputs`.
        context: of the call.
        interface: as of `Call`.
        model: that the body names; empty for the default one.
        single: whether the body gave one text by itself.
        prompt_name: `query` or `document`, of a model whose answer is a vector for each token; None for unsaid.

    Raises:
        InvalidInputError: a text has more tokens than the model takes, or the model has no use for a prompt.
        PreconditionError: the model gives no vectors of tokens, or takes more than ids and masks.
    """
    call = call_for(context, model=model, task_input=TokenizeInput(texts), task=_TASK, interface=interface)
    answer = await run(call)
    assert isinstance(answer, TokenizeOutput)
    view = await models.get(call.requested_model)
    if view.embed is not None and view.embed.pooling in _MULTI:
        task_input = EmbedInput(texts, prompt_name=prompt_name)
        asked = call_for(context, model=call.requested_model, task_input=task_input, task=_TASK, interface=interface)
        found = await run(asked)
        assert isinstance(found, EmbedOutput)
        return await asyncio.to_thread(lambda: [_json(vectors) for vectors in found.of_each()])
    if prompt_name is not None:
        raise InvalidInputError("`prompt_name` is of models with a vector for each token", field="prompt_name")
    sequences = [text.ids for text in answer.texts]
    _check_lengths(sequences, view, single=single)
    output = _output_of(view)

    async def one(ids: Sequence[int]) -> bytes:
        task_input = TensorInput([_input(spec, ids) for spec in view.inputs], [output])
        given = await run(
            call_for(context, model=call.requested_model, task_input=task_input, task=_TASK, interface=interface)
        )
        assert isinstance(given, TensorOutput)
        return await asyncio.to_thread(_printed, given.outputs[0])

    return await asyncio.gather(*(one(ids) for ids in sequences))


def _check_lengths(sequences: Sequence[Sequence[int]], view: ModelView, *, single: bool) -> None:
    most = view.embed.max_tokens if view.embed else 0
    for index, ids in enumerate(sequences):
        if most and len(ids) > most:
            name = "inputs" if single else f"inputs[{index}]"
            raise InvalidInputError(f"`{name}` has {len(ids):,} tokens; the model takes at most {most:,}", field=name)


def _output_of(view: ModelView) -> str:
    found = [spec.name for spec in view.outputs]
    name = next((name for name in _OUTPUTS if name in found), None)
    if name is None:
        raise PreconditionError(
            f"model `{view.name}` gives no vectors of tokens, only `{'`, `'.join(found)}`", reason="no_token_vectors"
        )
    return name


def _input(spec: TensorSpec, ids: Sequence[int]) -> NamedTensor:
    values = {
        "input_ids": ids,
        "attention_mask": [1] * len(ids),
        "token_type_ids": [0] * len(ids),
        "position_ids": range(len(ids)),
    }.get(spec.name)
    if values is None or np.dtype(spec.dtype).kind != "i":
        raise PreconditionError(
            f"the model takes the tensor `{spec.name}`, which no text gives", reason="no_token_vectors"
        )
    array = np.array([values], np.dtype(spec.dtype).newbyteorder("<"))
    return NamedTensor(spec.name, spec.dtype, array.shape, array.tobytes())


def _printed(tensor: NamedTensor) -> bytes:
    array = np.frombuffer(tensor.data, np.dtype(tensor.dtype).newbyteorder("<")).reshape(tensor.shape)
    if array.ndim != 3 or array.dtype.kind != "f":
        raise InternalError("the model's output is no list of vectors")
    return _json(array[0])


def _json(vectors: NDArray[Any]) -> bytes:
    if not np.isfinite(vectors).all():
        raise InternalError("the model gave a vector with NaN or Infinity")
    return orjson.dumps(np.ascontiguousarray(vectors, np.float32), option=orjson.OPT_SERIALIZE_NUMPY)
