"""What task `generate` means to the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from panope.worker.v1 import generate_pb2 as messages
from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import InvalidInputError
from panope_server.config import Limits, Settings
from panope_server.observability.metrics import Metrics
from panope_server.tasks import agreement
from panope_server.tasks.generate.cache_estimate import useful_cache_bytes
from panope_server.tasks.generate.canonical import asked_bytes, canonical_form
from panope_server.tasks.generate.joining import join_parts
from panope_server.tasks.generate.json_form import GenerateJsonForm
from panope_server.tasks.generate.limits import check_input, image_path
from panope_server.tasks.generate.messages import input_message, output_of, spec_of
from panope_server.tasks.generate.types import GenerateInput, GenerateOutput, GenerateSpec, GenerationOptions, Sampling
from panope_server.tasks.links import Link
from panope_server.tasks.task import BYTES_OF_UNIT, Canonical, MeasuredModel, Task, Usage, Workload
from panope_server.tasks.vision.images import image_links, image_work
from panope_server.tasks.workload import SingleWorkload, text_of

#: Of the memory that is free, the part that a cache takes which nobody gave a size.
_PART_FOR_CACHE = 4

#: Of parts that tell of no usage, which are most.
_NOTHING = Usage()

#: That an answer is taken for whose caller sets no limit.
_TOKENS_OF_ANSWER = 256
#: A token of an answer costs about as much as reading so many bytes: eight tokens of a prompt.
_BYTES_READ_OF_UNIT = 32


#: That each answer of a measurement has.
_TOKENS_MEASURED = 32


def _prompt(number: int, _: MeasuredModel) -> GenerateInput:
    """A prompt whose likeliest tokens are asked for, and so many of them whatever the model says of its end."""
    options = GenerationOptions(Sampling(temperature=0.0), max_tokens=_TOKENS_MEASURED, ignore_eos=True)
    return GenerateInput([text_of(number, 64)], options=options)


class GenerateTask(Task[GenerateInput, GenerateOutput]):
    """Prompts and conversations to answers."""

    name = "generate"
    input_type = GenerateInput
    output_type = GenerateOutput
    json = GenerateJsonForm()
    input_unit = output_unit = "tokens"
    workloads: ClassVar[Sequence[Workload]] = (SingleWorkload("generate-32-tokens", _prompt, _TOKENS_MEASURED),)
    least_agreement = 0.5

    def encode(self, task_input: GenerateInput) -> bytes:
        """Fields that are None are left to the model's files."""
        return input_message(task_input).SerializeToString()

    def decode(self, data: bytes) -> GenerateOutput:
        """A part of the answers."""
        return output_of(messages.GenerateOutput.FromString(data))

    def cost(self, task_input: GenerateInput, data: bytes) -> tuple[int, int]:
        """Answers, and the bytes of what is asked."""
        return task_input.sequences, len(data)

    def slots(self, task_input: GenerateInput) -> int:
        """One for each answer."""
        return task_input.sequences

    def work(self, task_input: GenerateInput, items: int, size_bytes: int) -> int:
        """The tokens of all answers at their longest, and a part of those that are only read, which are cheaper."""
        most = task_input.options.max_tokens
        images = [] if task_input.conversation is None else task_input.conversation.images
        of_texts = max(0, size_bytes - sum(image.size_bytes for image in images)) // _BYTES_READ_OF_UNIT
        return items * (_TOKENS_OF_ANSWER if most is None else most) + of_texts + image_work(images)

    def tokens(self, task_input: GenerateInput) -> int:
        """Those of all answers at their longest, and of all that is read, which limits count like them."""
        return self.work(task_input, task_input.sequences, 0) + asked_bytes(task_input) // BYTES_OF_UNIT

    def priority(self, task_input: GenerateInput) -> int:
        """As the caller says."""
        return task_input.options.priority

    def split(self, task_input: GenerateInput, max_items: int) -> Sequence[GenerateInput]:
        """A prompt in each part, so that other calls get slots in between; a stream is not split."""
        count = len(task_input.prompts) + len(task_input.prompt_token_ids)
        if task_input.stream or count <= 1:
            return [task_input]
        return [
            replace(
                task_input,
                prompts=task_input.prompts[index : index + 1],
                prompt_token_ids=task_input.prompt_token_ids[index : index + 1],
                first_index=index,
            )
            for index in range(count)
        ]

    def timeout_setting(self) -> str:
        """Its own: an answer that comes whole takes minutes."""
        return "generation_timeout_seconds"

    def join(self, parts: Sequence[GenerateOutput]) -> GenerateOutput:
        """Whole answers."""
        return join_parts(parts)

    def canonical(self, task_input: GenerateInput, facts: object) -> Canonical | None:
        """All that is asked, where no chance is in the answer; whether it is streamed changes nothing."""
        return canonical_form(task_input, facts)

    def agreement(self, expected: GenerateOutput, found: GenerateOutput) -> float:
        """How far the likeliest tokens are the same; behind the first other one the models read other texts."""
        has_ids = all(each.token_ids for output in (expected, found) for each in output.deltas)
        answers = (
            [each.token_ids if has_ids else each.text.split() for each in output.deltas] for output in (expected, found)
        )
        return agreement.of_each(agreement.of_beginnings, *answers)

    def validate(self, task_input: GenerateInput, limits: Limits) -> None:
        """Checks every field."""
        check_input(task_input, limits)

    def links(self, task_input: GenerateInput) -> Sequence[Link]:
        """Those of the conversation's images."""
        conversation = task_input.conversation
        if conversation is None or not any(image.url for image in conversation.images):
            return ()
        return image_links(conversation.images, partial(image_path, conversation.messages))

    def check(self, task_input: GenerateInput, facts: object) -> None:
        """Refuses more answers to a prompt than the model generates at once."""
        slots = facts.slots if isinstance(facts, GenerateSpec) else 0
        if slots and task_input.options.n > slots:
            raise InvalidInputError.at(
                "n",
                "{field} is {n:,}; the model generates at most {slots:,} sequences at once",
                n=task_input.options.n,
                slots=slots,
            )

    def extra_bytes(self, config: Mapping[str, Any], settings: Settings, free_bytes: int | None) -> int:
        """The cache: as large as the settings say, else as is of use, and at most a quarter of what is free."""
        generation = settings.generation
        if generation.cache_size:
            return generation.cache_size
        useful = useful_cache_bytes(config, generation.slots)
        return useful if free_bytes is None else min(useful, free_bytes // _PART_FOR_CACHE)

    def settings_of(self, settings: Settings, extra_bytes: int) -> bytes:
        """How a model is loaded."""
        generation = settings.generation
        return messages.GenerateSettings(
            slots=generation.slots,
            step_tokens=generation.step_tokens,
            max_step_tokens=max(generation.step_tokens, generation.max_step_tokens),
            cache_bytes=extra_bytes,
            cache_precision=generation.cache_precision,
            prefix_cache=generation.prefix_cache,
            template_seconds=generation.template_seconds,
            draft_tokens=generation.draft_tokens,
            max_adapters=generation.max_adapters,
            max_adapter_rank=generation.max_adapter_rank,
            stream_interval=generation.stream_interval,
        ).SerializeToString()

    def facts_of(self, ready: wire.Ready) -> GenerateSpec:
        """What the model takes and gives."""
        return spec_of(messages.GenerateFacts.FromString(ready.facts))

    def usage(self, output: GenerateOutput) -> Usage:
        """Tokens, once they are told."""
        if output.usage is None:
            return _NOTHING
        return Usage(output.usage.prompt_tokens, output.usage.completion_tokens, output.usage.cached_tokens)

    def text_of(self, task_input: GenerateInput) -> str:
        """The prompts, a line each, or the messages as JSON."""
        if task_input.conversation is not None:
            return task_input.conversation.messages.decode(errors="replace")
        return "\n".join(task_input.prompts)

    def usage_so_far(self, output: GenerateOutput, usage: Usage) -> Usage:
        """The tokens that came; a piece of text counts as one where an engine tells texts alone."""
        del usage
        pieces = output.deltas
        tokens = sum(len(piece.token_ids) or bool(piece.text or piece.reasoning) for piece in pieces)
        return Usage(output.prompt_tokens, tokens)

    def observe(self, output: GenerateOutput, usage: Usage, metrics: Metrics, model: str) -> None:
        """Counts tokens."""
        if output.usage is None:
            return
        metrics.input_tokens.labels(model).inc(usage.input_units)
        metrics.output_tokens.labels(model).inc(usage.output_units)
        metrics.cached_tokens.labels(model).inc(output.usage.cached_tokens)
