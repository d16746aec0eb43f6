"""What task `embed` means to the server."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain, pairwise
from typing import ClassVar

import numpy as np

from panope.worker.v1 import embed_pb2 as messages
from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import Field, InvalidInputError
from panope_backends.texts import check_characters
from panope_server.config import Limits
from panope_server.tasks import agreement
from panope_server.tasks.embed.json_form import EmbedJsonForm
from panope_server.tasks.embed.types import EmbedInput, EmbedOutput, EmbedSpec, SparseVector
from panope_server.tasks.task import MeasuredModel, Usage, Workload
from panope_server.tasks.texts import TRUNCATIONS, TextsTask, sequence_messages, text_cost
from panope_server.tasks.validation import (
    check_length,
    check_positive,
    check_texts,
    check_token_sequences,
    check_word,
)
from panope_server.tasks.workload import texts_workloads

#: Of a value that is not 0, and of its place.
_SPARSE_BYTES = 8


def _takes_texts(model: MeasuredModel) -> bool:
    return not isinstance(model.facts, EmbedSpec) or "texts" in model.facts.inputs


class EmbedTask(TextsTask[EmbedInput, EmbedOutput]):
    """Texts to vectors."""

    name = "embed"
    input_type = EmbedInput
    output_type = EmbedOutput
    item_lists = ("texts", "token_sequences")
    apart = frozenset({"own_ids"})
    json = EmbedJsonForm()
    workloads: ClassVar[Sequence[Workload]] = texts_workloads("embed", EmbedInput, _takes_texts)
    least_agreement = 0.99

    def encode(self, task_input: EmbedInput) -> bytes:
        """Fields that are None are left to the model's files."""
        message = messages.EmbedInput(
            texts=task_input.texts,
            token_sequences=sequence_messages(task_input.token_sequences),
            truncation=task_input.truncation,
            normalize=task_input.normalize,
            dimensions=task_input.dimensions,
            prompt_name=task_input.prompt_name,
            purpose=task_input.purpose,
            first_index=task_input.first_index,
        )
        return message.SerializeToString()

    def decode(self, data: bytes) -> EmbedOutput:
        """The vectors."""
        message = messages.EmbedOutput.FromString(data)
        return EmbedOutput(
            vectors=message.vectors,
            count=len(message.token_counts),
            dimensions=message.dimensions,
            token_counts=list(message.token_counts),
            truncated_indices=list(message.truncated_indices),
            sparse_vectors=_sparse_vectors(message),
            vector_counts=list(message.vector_counts),
        )

    def cost(self, task_input: EmbedInput, data: bytes) -> tuple[int, int]:
        """Texts, and their characters."""
        del data
        return text_cost(task_input.texts, task_input.token_sequences)

    def join(self, parts: Sequence[EmbedOutput]) -> EmbedOutput:
        """The vectors of all parts, one after another."""
        return EmbedOutput(
            vectors=b"".join(part.vectors for part in parts),
            count=sum(part.count for part in parts),
            dimensions=parts[0].dimensions,
            token_counts=list(chain.from_iterable(part.token_counts for part in parts)),
            truncated_indices=list(chain.from_iterable(part.truncated_indices for part in parts)),
            sparse_vectors=list(chain.from_iterable(part.sparse_vectors for part in parts)),
            vector_counts=list(chain.from_iterable(part.vector_counts for part in parts)),
        )

    def answer_of(self, part: EmbedOutput, index: int) -> EmbedOutput:
        """One vector, or those of one text."""
        if part.vector_counts:
            (own,) = part.vector_counts[index : index + 1]
            size, before = 4 * part.dimensions, sum(part.vector_counts[:index])
            vectors = part.vectors[before * size : (before + own) * size]
            return EmbedOutput(vectors, 1, part.dimensions, part.token_counts[index : index + 1], [], [], [own])
        width = len(part.vectors) // part.count
        vector = part.vectors[index * width : (index + 1) * width]
        counts, sparse = part.token_counts[index : index + 1], part.sparse_vectors[index : index + 1]
        return EmbedOutput(vector, 1, part.dimensions, counts, [], sparse)

    def validate(self, task_input: EmbedInput, limits: Limits) -> None:
        """Checks every field."""
        if task_input.texts and task_input.token_sequences:
            raise InvalidInputError.at(
                "token_sequences", "{texts} and {field} exclude each other", texts=Field("texts")
            )
        if task_input.token_sequences:
            check_token_sequences(task_input.token_sequences, limits)
        else:
            check_texts(task_input.texts, limits)
        check_word(task_input.truncation, "truncation", TRUNCATIONS)
        check_positive(task_input.dimensions, "dimensions")  # how many a model has is known in its worker
        check_length(task_input.prompt_name or "", "prompt_name")
        if task_input.purpose and task_input.prompt_name is not None:
            raise InvalidInputError.at("purpose", "{field} and {name} exclude each other", name=Field("prompt_name"))

    def check(self, task_input: EmbedInput, facts: object) -> None:
        """Refuses texts that the worker would refuse unread; it has no use for texts that no tokens are made of."""
        if isinstance(facts, EmbedSpec) and facts.max_tokens and task_input.truncation == "refuse":
            check_characters(task_input.texts, facts.max_tokens)

    def facts_of(self, ready: wire.Ready) -> EmbedSpec:
        """What the model takes and gives."""
        facts = messages.EmbedFacts.FromString(ready.facts)
        return EmbedSpec(
            dimensions=facts.dimensions,
            max_tokens=facts.max_tokens,
            prompt_names=tuple(facts.prompt_names),
            pooling=facts.pooling,
            normalize=facts.normalize,
            batching=ready.batching,
            inputs=tuple(facts.inputs) or ("texts",),
            image_poolings=tuple(facts.image_poolings),
        )

    def agreement(self, expected: EmbedOutput, found: EmbedOutput) -> float:
        """The mean cosine of the vectors."""
        if expected.sparse_vectors:
            rows = [dict(zip(each.indices, each.values, strict=True)) for each in expected.sparse_vectors]
            others = [dict(zip(each.indices, each.values, strict=True)) for each in found.sparse_vectors]
            return agreement.of_each(agreement.of_scores, rows, others)
        vectors = (np.frombuffer(each.vectors, "<f4") for each in (expected, found))
        return agreement.of_vectors(*(each.reshape(-1, max(1, expected.dimensions)) for each in vectors))

    def usage(self, output: EmbedOutput) -> Usage:
        """Tokens of the texts, and bytes of the vectors."""
        output_bytes = len(output.vectors)
        if output.sparse_vectors:
            output_bytes += _SPARSE_BYTES * sum(len(vector.indices) for vector in output.sparse_vectors)
        return Usage(sum(output.token_counts), output_bytes)


def _sparse_vectors(message: messages.EmbedOutput) -> list[SparseVector]:
    ends = [0, *accumulate(message.sparse_counts)]
    return [
        SparseVector(list(message.sparse_indices[start:end]), list(message.sparse_values[start:end]))
        for start, end in pairwise(ends)
    ]
