"""What the tests of token models are made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import fields
from functools import cached_property
from time import monotonic
from typing import Any

import pytest

from panope_backends.api import (
    GenerationRequest,
    LoadedModel,
    SamplingParams,
    TokenDelta,
    TokenModel,
)
from panope_backends.testing.contracts.backend import BackendContract

SAMPLING = {field.name for field in fields(SamplingParams)}


class TokenModelHarness(BackendContract):
    """The fixtures and helpers of the suite; the fixtures `backend` and `model` must be given."""

    kind = TokenModel

    prompt = "The quick brown fox jumps over"
    """Given where the model takes texts."""

    prompt_token_ids: tuple[int, ...] = tuple(range(1, 20))
    """Given where it takes tokens alone."""

    max_tokens = 12
    """Of an answer, unless a test needs more."""

    timeout_seconds = 60.0
    """The longest that a test waits for answers."""

    def use(self, loaded: LoadedModel) -> None:
        """Generates one token."""
        assert isinstance(loaded, TokenModel)
        self.run(loaded, self.request(loaded, max_tokens=1))

    @pytest.fixture
    def generator(self, loaded: LoadedModel) -> TokenModel:
        """The model."""
        assert isinstance(loaded, TokenModel)
        return loaded

    def request(self, generator: TokenModel, id: int = 1, **changes: Any) -> GenerationRequest:  # noqa: A002 - its name
        """A request that takes the likeliest tokens; skips the test where the model does not support a change."""
        sampling = {name: value for name, value in changes.items() if name in SAMPLING}
        if "temperature" in generator.honoured:
            sampling = {"temperature": 0.0} | sampling
        rest = {name: value for name, value in changes.items() if name not in SAMPLING}
        takes_text = "prompt" in generator.honoured
        prompt = {"prompt": self.prompt} if takes_text else {"prompt_token_ids": self.prompt_token_ids}
        given = rest if {"prompt", "prompt_token_ids"} & rest.keys() else prompt | rest
        request = GenerationRequest(id, **{"max_tokens": self.max_tokens, **given}, sampling=SamplingParams(**sampling))
        unknown = tuple(changes.keys() - generator.honoured - {"max_tokens"})
        if names := generator.unsupported(request) or unknown:
            pytest.skip(f"the model does not support {', '.join(names)}")
        return request

    def endless(self, generator: TokenModel, id: int = 1, **changes: Any) -> GenerationRequest:  # noqa: A002 - its name
        """A request that runs for as long as the model has positions."""
        without_end = {"ignore_eos": True} if "ignore_eos" in generator.honoured else {}
        return self.request(generator, id, max_tokens=None, **without_end, **changes)

    def run(self, generator: TokenModel, *requests: GenerationRequest) -> list[list[TokenDelta]]:
        """Submits requests and waits for their ends; the deltas of each."""
        for request in requests:
            self._collected.pop(request.id, None)
            generator.submit(request)
        deltas = self.collect(generator, *(request.id for request in requests))
        return [deltas[request.id] for request in requests]

    def collect(self, generator: TokenModel, *request_ids: int) -> dict[int, list[TokenDelta]]:
        """Waits for the last deltas of requests; all that came in this test, by request."""
        deadline = monotonic() + self.timeout_seconds
        while waiting := [number for number in request_ids if not self._has_ended(number)]:
            assert monotonic() < deadline, f"no last delta of {waiting} in {self.timeout_seconds} s"
            for delta in generator.deltas(1.0):
                self._collected[delta.request_id].append(delta)
        return self._collected

    def _has_ended(self, request_id: int) -> bool:
        return any(delta.usage is not None for delta in self._collected.get(request_id, ()))

    @cached_property
    def _collected(self) -> dict[int, list[TokenDelta]]:
        return defaultdict(list)

    def text(self, deltas: Sequence[TokenDelta], index: int = 0) -> str:
        """The text of one answer."""
        return "".join(delta.text for delta in deltas if delta.index == index)

    def tokens(self, deltas: Sequence[TokenDelta], index: int = 0) -> list[int]:
        """The tokens of one answer."""
        return [token for delta in deltas if delta.index == index for token in delta.token_ids]

    def end(self, deltas: Sequence[TokenDelta], index: int = 0) -> TokenDelta:
        """The last delta of one answer, which alone has a reason."""
        of_answer = [delta for delta in deltas if delta.index == index]
        assert [delta.finish_reason is not None for delta in of_answer] == [False] * (len(of_answer) - 1) + [True]
        return of_answer[-1]
