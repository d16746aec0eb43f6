"""Runs GGUF files by llama.cpp, which schedules and samples itself."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http import HTTPStatus
from http.client import HTTPException
from typing import Any

from panope_backends.api import FinishReason, GenerationRequest, TokenDelta, TokenModel
from panope_backends.engines.llama_cpp.completion import HONOURED, Answer, body_of, usage_of
from panope_backends.engines.llama_cpp.local_server import Exchange, LocalServer, RefusedError
from panope_backends.engines.running_requests import RunningRequests
from panope_backends.errors import InternalError, InvalidInputError, PanopeError


class _Running:
    """A request on its way, with an answer and, once it is sent to llama.cpp, an exchange for each of its `n`."""

    def __init__(self, request: GenerationRequest) -> None:
        self.request = request
        self.is_cancelled = False
        self.answers = [Answer(request, index) for index in range(request.n)]
        self.exchanges: list[Exchange] = []
        self.ended = 0


class LlamaCppModel(TokenModel):
    """A GGUF model; also a `TextCodec`, by the tokenizer of its file.

    Each answer has a thread of its own that reads its events; the steps are made by llama.cpp's threads, for all
    requests at once.

    Args:
        server: that has loaded it.
        slots: that the server works on at once.
        vocab_size: of the model.
        max_positions: of one slot.
        precision: that it computes in.
        prefix_cache: whether a slot starts with what it has computed of a prompt that begins alike.
    """

    honoured = HONOURED

    def __init__(
        self,
        server: LocalServer,
        *,
        slots: int,
        vocab_size: int,
        max_positions: int,
        precision: str = "fp32",
        prefix_cache: bool = True,
    ) -> None:
        self.slots = slots
        self.vocab_size = vocab_size
        self.max_positions = max_positions
        self.precision = precision
        self._server = server
        self._prefix_cache = prefix_cache
        self._threads = ThreadPoolExecutor(slots, "llama")
        self._requests = RunningRequests[_Running](slots)
        properties = server.call("/props")
        self.chat_template = str(properties.get("chat_template", ""))
        self.special_texts = {name: str(properties[name]) for name in ("bos_token", "eos_token") if name in properties}

    def submit(self, request: GenerationRequest) -> None:
        """Takes a request, or refuses it."""
        self.require_supported(request)
        self._require_fitting(request)
        running = _Running(request)
        self._requests.add(running)
        for index in range(request.n):
            self._threads.submit(self._run, running, index)

    def deltas(self, timeout_seconds: float) -> Sequence[TokenDelta]:
        """Gives what came since the last call."""
        return self._requests.take(timeout_seconds)

    def cancel(self, request_id: int) -> None:
        """Ends the exchanges, by which llama.cpp ends its work."""
        with self._requests.changed:
            running = self._requests.get(request_id)
            if running is None:
                return
            running.is_cancelled = True
            exchanges = list(running.exchanges)
        for exchange in exchanges:
            exchange.abort()

    def close(self) -> None:
        """Drops what runs."""
        running = self._requests.close()
        if running is None:
            return
        for request_id in running:
            self.cancel(request_id)
        self._threads.shutdown(wait=True)
        self._server.close()

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """The ids of a text; special tokens that are written in it count as such."""
        body = {"content": text, "add_special": add_special_tokens, "parse_special": True}
        return list(map(int, self._server.call("/tokenize", body)["tokens"]))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, without special tokens."""
        return str(self._server.call("/detokenize", {"tokens": list(ids)})["content"])

    def _require_fitting(self, request: GenerationRequest) -> None:
        if not all(0 <= token < self.vocab_size for token in request.prompt_token_ids):
            raise InvalidInputError(f"token ids go from 0 to {self.vocab_size - 1:,}", field="prompt_token_ids")
        if not all(0 <= token < self.vocab_size for token in request.sampling.logit_bias):
            raise InvalidInputError(f"token ids go from 0 to {self.vocab_size - 1:,}", field="logit_bias")
        if len(request.prompt_token_ids) >= self.max_positions:
            raise self._too_long(len(request.prompt_token_ids), "prompt_token_ids")
        if request.n > self.slots:
            raise InvalidInputError(f"the model has {self.slots} slots", field="n")

    def _run(self, running: _Running, index: int) -> None:
        """Reads the events of an answer to its end; the body of a thread."""
        error: PanopeError = InternalError("the model ended an answer too early")
        try:
            self._read(running, index)
        except PanopeError as refusal:
            error = refusal
        except RefusedError as refusal:
            error = _error_of(refusal)
        except (HTTPException, OSError, ValueError, KeyError) as failure:
            error = InternalError("the model failed to run")
            error.__cause__ = failure
        answer = running.answers[index]
        if answer.has_ended:
            return
        if running.is_cancelled:
            self._give(running, answer.end(FinishReason.CANCELLED))
        else:
            self._give(running, replace(answer.end(FinishReason.ERROR), error=error))

    def _read(self, running: _Running, index: int) -> None:
        request = running.request
        prompt = request.prompt_token_ids or tuple(self.encode(request.prompt))
        if len(prompt) >= self.max_positions:
            raise self._too_long(len(prompt), "prompt")
        body = body_of(request, index, prompt, self.max_positions) | {"cache_prompt": self._prefix_cache}
        exchange = self._server.exchange("/completion", body)
        try:
            with self._requests.changed:
                running.exchanges.append(exchange)
            for event in () if running.is_cancelled else exchange.events():
                if running.is_cancelled:
                    return
                if (delta := running.answers[index].delta_of(event)) is not None:
                    self._give(running, delta)
                    if delta.finish_reason is not None:
                        return
        finally:
            exchange.close()

    def _give(self, running: _Running, delta: TokenDelta) -> None:
        """Passes a delta on; the request's last one has the usage."""
        with self._requests.changed:
            if delta.finish_reason is not None:
                running.ended += 1
                if running.ended == running.request.n:
                    delta = replace(delta, usage=usage_of(running.answers))
            self._requests.give([delta])

    def _too_long(self, count: int, field: str) -> InvalidInputError:
        return InvalidInputError.at(
            field,
            "{field} has {count:,} tokens and leaves no room in the model's {limit:,} positions",
            reason="context_length_exceeded",
            count=count,
            limit=self.max_positions,
        )


def _error_of(refusal: RefusedError) -> PanopeError:
    """llama.cpp's own words are not for callers."""
    if refusal.status == HTTPStatus.BAD_REQUEST:
        return InvalidInputError("llama.cpp refuses the request")
    return InternalError("the model failed to run")


def parameters_of(path: Any, slots: int, positions: int, threads: int, cache_precision: str) -> Any:
    """llama.cpp's parameters to load a file with."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_parallel = slots
    parameters.n_ctx = slots * positions
    parameters.kv_unified = False
    kind = {"fp16": xllamacpp.ggml_type.GGML_TYPE_F16, "fp32": xllamacpp.ggml_type.GGML_TYPE_F32}[cache_precision]
    parameters.cache_type_k = parameters.cache_type_v = kind
    parameters.n_threads_http = slots + 2
    parameters.cache_ram_mib = 0  # what a slot keeps of its last prompt is cache enough
    parameters.warmup = False
    parameters.verbosity = 1  # errors alone; a line for each step would fill the log
    if threads:
        parameters.cpuparams.n_threads = threads
        parameters.cpuparams_batch.n_threads = threads
    return parameters


def apply_adapter(parameters: Any, path: Any) -> None:
    """Has llama.cpp add the products of an adapter to the outputs of the layers that it adapts, for every request."""
    import xllamacpp

    adapter = xllamacpp.CommonAdapterLoraInfo()
    adapter.path = str(path)
    adapter.scale = 1.0
    parameters.lora_adapters = [adapter]
