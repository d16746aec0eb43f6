"""A token model without weights: it repeats its prompt and makes seeded mistakes when it is asked to be creative.

A token is a byte of UTF-8, so characters and stop texts run across tokens; token 256 ends an answer. It samples, stops
and counts as real engines do, and refuses by name what it does not honour. One call of `deltas` is one step of all
sequences.
"""

from __future__ import annotations

import codecs
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from panope_backends.api import (
    API_VERSION,
    Backend,
    FinishReason,
    GenerationRequest,
    GenerationUsage,
    LoadOptions,
    Logprob,
    ModelFacts,
    TokenDelta,
    TokenLogprobs,
    TokenModel,
)
from panope_backends.engines.precision import choose_precision
from panope_backends.errors import InvalidInputError, OverloadedError, PreconditionError

END = 256

#: What may stand for the right byte when the temperature is above 0.
_LETTERS = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz", np.uint8)
_RIGHT, _WRONG, _OTHER = 4.0, 0.0, -40.0


class EchoTokenModel(TokenModel):
    """Repeats prompts.

    Args:
        config: `slots` (4) and `max_positions` (4096).
    """

    precision = "fp32"
    vocab_size = END + 1
    honoured = frozenset(
        "prompt prompt_token_ids temperature seed n stop stop_token_ids include_stop ignore_eos logprobs".split()
    )

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.slots = config.get("slots", 4)
        self.max_positions = config.get("max_positions", 4096)
        self._answers: dict[int, list[_Answer]] = {}
        self._cancelled: set[int] = set()
        self._is_closed = False
        self._changed = threading.Condition()

    def submit(self, request: GenerationRequest) -> None:
        """Takes a request, or refuses it."""
        self.require_supported(request)
        prompt = request.prompt_token_ids or tuple(request.prompt.encode())
        self._require_fitting(request, prompt)
        with self._changed:
            if self._is_closed:
                raise PreconditionError("the model is closed", reason="model_closed")
            if request.id in self._answers:
                raise InvalidInputError("a request of this id runs", field="id")
            if request.n > self.slots - sum(map(len, self._answers.values())):
                raise OverloadedError("all slots are taken")
            room = self.max_positions - len(prompt)
            self._answers[request.id] = [_Answer(request, prompt, room, index) for index in range(request.n)]
            self._changed.notify_all()

    def deltas(self, timeout_seconds: float) -> Sequence[TokenDelta]:
        """Makes one step of all sequences."""
        with self._changed:
            self._changed.wait_for(lambda: self._answers or self._is_closed, timeout_seconds)
            return [delta for request_id in list(self._answers) for delta in self._step(request_id)]

    def cancel(self, request_id: int) -> None:
        """Marks it for the next step."""
        with self._changed:
            if request_id in self._answers:
                self._cancelled.add(request_id)

    def close(self) -> None:
        """Drops what runs."""
        with self._changed:
            self._is_closed = True
            self._answers.clear()
            self._changed.notify_all()

    def _step(self, request_id: int) -> list[TokenDelta]:
        answers = self._answers[request_id]
        running = [answer for answer in answers if not answer.has_ended]
        if request_id in self._cancelled:
            deltas = [answer.end(FinishReason.CANCELLED) for answer in running]
        else:
            deltas = [answer.step() for answer in running]
        if all(answer.has_ended for answer in answers):
            usage = GenerationUsage(len(answers[0].prompt), sum(answer.count for answer in answers))
            deltas[-1] = replace(deltas[-1], usage=usage)
            del self._answers[request_id]
            self._cancelled.discard(request_id)
        return deltas

    def _require_fitting(self, request: GenerationRequest, prompt: Sequence[int]) -> None:
        field = "prompt_token_ids" if request.prompt_token_ids else "prompt"
        if not all(0 <= token < self.vocab_size for token in prompt):
            raise InvalidInputError(f"token ids go from 0 to {END}", field=field)
        if len(prompt) >= self.max_positions:
            raise InvalidInputError(f"the prompt leaves no room in {self.max_positions} positions", field=field)
        if request.n > self.slots:
            raise InvalidInputError(f"the model has {self.slots} slots", field="n")


class _Answer:
    """One sequence: its next token, its text and its end."""

    def __init__(self, request: GenerationRequest, prompt: Sequence[int], room: int, index: int) -> None:
        self.prompt = prompt
        self.count = 0
        self.has_ended = False
        self._request = request
        self._index = index
        self._room = min(room, request.max_tokens or room)
        seed = request.sampling.seed
        self._random = np.random.default_rng(None if seed is None else [seed % (1 << 64), index])
        self._characters = codecs.getincrementaldecoder("utf-8")("replace")
        self._held_back = ""

    def step(self) -> TokenDelta:
        """One token more."""
        logits = self._logits()
        token = self._draw(logits)
        self.count += 1
        delta = TokenDelta(self._request.id, self._index, (token,), logprobs=self._logprobs(logits, token))
        if token == END and not self._request.ignore_eos:
            return self._ended(replace(delta, text=self._characters.decode(b"", final=True)), FinishReason.STOP)
        if token in self._request.stop_token_ids:
            text = self._text_of(token) if self._request.include_stop else ""
            return self._ended(replace(delta, text=text), FinishReason.STOP, token)
        return self._with_text(delta, self._text_of(token))

    def end(self, reason: FinishReason) -> TokenDelta:
        """Ends it without another token."""
        return self._ended(TokenDelta(self._request.id, self._index), reason)

    def _logits(self) -> np.ndarray[Any, Any]:
        """float64 `[257]`: the right token is likely, letters are possible, all else hardly."""
        place = self.count % len(self.prompt) if self._request.ignore_eos else self.count
        logits = np.full(END + 1, _OTHER)
        logits[_LETTERS] = _WRONG
        logits[self.prompt[place] if place < len(self.prompt) else END] = _RIGHT
        return logits

    def _draw(self, logits: np.ndarray[Any, Any]) -> int:
        if self._request.sampling.temperature == 0:
            return int(logits.argmax())
        odds = np.exp((logits - logits.max()) / self._request.sampling.temperature)
        return int(np.searchsorted(np.cumsum(odds), self._random.random() * odds.sum(), side="right"))

    def _logprobs(self, logits: np.ndarray[Any, Any], token: int) -> tuple[TokenLogprobs, ...]:
        if self._request.logprobs is None:
            return ()
        logprobs = logits - np.log(np.exp(logits).sum())
        top = np.argsort(-logprobs, kind="stable")[: self._request.logprobs].tolist()
        chosen, *likeliest = (Logprob(n, bytes([n]) if n < END else b"", float(logprobs[n])) for n in (token, *top))
        return (TokenLogprobs(chosen, tuple(likeliest)),)

    def _text_of(self, token: int) -> str:
        return self._characters.decode(bytes([token]) if token < END else b"")

    def _with_text(self, delta: TokenDelta, text: str) -> TokenDelta:
        """Adds what no stop text can take away any more."""
        text = self._held_back + text
        found = [(text.find(stop), stop) for stop in self._request.stop if stop in text]
        if found:
            begin, stop = min(found)
            self._held_back = text[: begin + len(stop) * self._request.include_stop]
            return self._ended(delta, FinishReason.STOP, stop)
        if self.count == self._room:
            self._held_back = text + self._characters.decode(b"", final=True)
            return self._ended(delta, FinishReason.LENGTH)
        keep = max((_overlap(text, stop) for stop in self._request.stop), default=0)
        self._held_back = text[len(text) - keep :]
        return replace(delta, text=text[: len(text) - keep])

    def _ended(self, delta: TokenDelta, reason: FinishReason, stop: str | int | None = None) -> TokenDelta:
        self.has_ended = True
        return replace(delta, text=self._held_back + delta.text, finish_reason=reason, stop_reason=stop)


def _overlap(text: str, stop: str) -> int:
    """The length of the longest end of `text` with which `stop` begins."""
    return next(length for length in range(min(len(text), len(stop) - 1), -1, -1) if text.endswith(stop[:length]))


class EchoTokenBackend(Backend):
    """Loads the token model that repeats."""

    name = "echo-tokens"
    api_version = API_VERSION

    def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> TokenModel:
        """Takes any folder."""
        del folder
        choose_precision(options.precision, ("fp32",), f"{self.name} on {device}")
        return EchoTokenModel(model.config)
