"""One call on its way through the worker: its prompts, and what there is of the answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from panope.worker.v1 import generate_pb2 as messages
from panope_backends.api import GenerationRequest, GenerationUsage, TokenDelta
from panope_backends.errors import InvalidInputError
from panope_backends.tasks.generate.answer_text import AnswerText
from panope_backends.tasks.generate.pieces import AnswerPieces
from panope_backends.tasks.task import TokenJob

_PROMPTS = ("prompt", "prompt_token_ids", "conversation", "images")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt of a call.

    Attributes:
        request: what the model is asked.
        path: of the field that it came in, such as `prompts[2]`.
        index: its position in the call.
        first_token: the text of its first token, where its probabilities are told; that one has none.
        echo: what stands before each of its answers.
        grammar_path: of the field that the grammar of its answers came from.
    """

    request: GenerationRequest
    path: str
    index: int = 0
    first_token: bytes = b""
    echo: str = ""
    grammar_path: str = "grammar"


def located(error: InvalidInputError, prompt: Prompt) -> InvalidInputError:
    """A model's refusal, with the prompt by its place in the call, and the grammar by what it was made of."""
    names = {**dict.fromkeys(_PROMPTS, prompt.path), "grammar": prompt.grammar_path}
    return error.renamed(lambda name: names.get(name, name))


class GenerateJob(TokenJob):
    """A call of task `generate`.

    Args:
        prompts: at least one.
        stream: whether pieces are told when they exist; else all is told when all is complete.
        text: makes what parts the text of one answer.
        interval: tokens of an answer that one piece has at least, its first and its last aside.
        tells_answers: whether answers are told; False for those who want the prompts alone.
    """

    def __init__(
        self,
        prompts: Sequence[Prompt],
        *,
        stream: bool,
        text: Callable[[], AnswerText],
        interval: int = 1,
        tells_answers: bool = True,
    ) -> None:
        self.requests = [prompt.request for prompt in prompts]
        self._prompts = prompts
        self._stream = stream
        self._interval = interval
        self._answers = [
            [AnswerPieces(prompt.index, index, text(), tells_answers) for index in range(prompt.request.n)]
            for prompt in prompts
        ]
        for prompt, answers in zip(prompts, self._answers, strict=True):
            answers[0].first_prompt_token = prompt.first_token
            for answer in answers if prompt.echo else ():
                answer.begin_with(prompt.echo)
        self._usages: list[GenerationUsage] = []
        self._has_told = False
        self._tells_answers = tells_answers

    def take(self, index: int, delta: TokenDelta) -> None:
        """Adds it to its answer."""
        self._answers[index][delta.index].take(delta)
        if delta.usage is not None:
            self._usages.append(delta.usage)

    def part(self) -> bytes | None:
        """What the answers have more than before; all of them at the end where no stream was asked for."""
        is_last = len(self._usages) == len(self.requests)
        if not (self._stream or is_last):
            return None
        output = messages.GenerateOutput()
        for answers in self._answers:
            for answer in answers:
                if is_last or answer.is_due(self._interval):
                    answer.tell(output)
        if not (output.deltas or is_last):
            return None
        if is_last:
            output.usage.CopyFrom(self._usage())
        elif not self._has_told:  # so that it is known of a stream that is cut
            output.prompt_tokens = sum(len(request.prompt_token_ids) for request in self.requests)
            self._has_told = True
        return output.SerializeToString()

    def located(self, index: int, error: InvalidInputError) -> InvalidInputError:
        """The prompt by its place in the call."""
        return located(error, self._prompts[index])

    def _usage(self) -> messages.GenerateUsage:
        told = self._usages if self._tells_answers else []
        return messages.GenerateUsage(
            prompt_tokens=sum(usage.prompt_tokens for usage in self._usages),
            completion_tokens=sum(usage.completion_tokens for usage in told),
            cached_tokens=sum(usage.cached_tokens for usage in self._usages),
            reasoning_tokens=sum(answer.reasoning_tokens for answer in chain.from_iterable(self._answers)),
        )
