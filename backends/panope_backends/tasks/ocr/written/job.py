"""One request: an answer for each image, written token by token."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from panope.worker.v1 import ocr_pb2 as messages
from panope_backends.api import FinishReason, GenerationRequest, TokenDelta
from panope_backends.errors import InvalidInputError
from panope_backends.tasks.task import TokenJob


@dataclass(slots=True)
class WrittenPage:
    """An image, and what is written of it.

    Attributes:
        width: of the image as it is shown, in pixels.
        height: the same.
        field: of the request that is the image.
        ids: of the answer.
        logprobs: of each.
        is_cut: whether it ended for its length.
    """

    width: int
    height: int
    field: str
    ids: list[int] = dataclasses.field(default_factory=list)
    logprobs: list[float] = dataclasses.field(default_factory=list)
    is_cut: bool = False

    @property
    def score(self) -> float:
        """The mean of its tokens' probabilities; 0 without any."""
        return sum(map(math.exp, self.logprobs)) / len(self.logprobs) if self.logprobs else 0.0

    def corners(self) -> list[float]:
        """Of the whole image."""
        return [0, 0, self.width, 0, self.width, self.height, 0, self.height]


@dataclass(frozen=True)
class WrittenText:
    """A text, and the tree of tags that it was, as JSON; empty where it was none."""

    text: str
    parsed_json: str = ""


class WriteJob(TokenJob):
    """Takes the answers of all images of a request.

    Args:
        requests: one for each image.
        pages: the images.
        threshold: texts are told whose scores are at least so high.
        text_of: makes a text of an answer's tokens.
    """

    def __init__(
        self,
        requests: Sequence[GenerationRequest],
        pages: Sequence[WrittenPage],
        threshold: float,
        text_of: Callable[[Sequence[int]], WrittenText],
    ) -> None:
        self.requests = list(requests)
        self._pages, self._threshold, self._text_of = pages, threshold, text_of
        self._missing = len(pages)

    def take(self, index: int, delta: TokenDelta) -> None:
        """Adds it to its page."""
        page = self._pages[index]
        page.ids += delta.token_ids
        page.logprobs += [each.chosen.logprob for each in delta.logprobs]
        page.is_cut |= delta.finish_reason is FinishReason.LENGTH
        self._missing -= delta.usage is not None

    def part(self) -> bytes | None:
        """All pages, when there are all."""
        if self._missing:
            return None
        return messages.OcrOutput(pages=map(self._message, self._pages)).SerializeToString()

    def located(self, index: int, error: InvalidInputError) -> InvalidInputError:
        """A refusal of what is read of an image names it."""
        page = self._pages[index]
        return InvalidInputError(error.sentence, reason=error.reason, field=page.field)

    def _message(self, page: WrittenPage) -> messages.OcrPage:
        made = self._text_of(page.ids)
        message = messages.OcrPage(
            number=1, width=page.width, height=page.height, parsed_json=made.parsed_json, is_truncated=page.is_cut
        )
        if made.text and page.score >= self._threshold:
            message.lines.add(text=made.text, score=page.score, corners=page.corners())
        return message
