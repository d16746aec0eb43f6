"""A worker that is killed in the middle of answers: every client sees that they failed, and the next is answered."""

from __future__ import annotations

import os
import signal
from typing import Any

import grpc
import openai
import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import OverloadedError, TextGenerationError

from panope.v1 import generate_service_pb2 as pb
from panope.v1 import generate_service_pb2_grpc as pb_grpc
from panope.v1 import generation_pb2 as generation
from seeded_chat import NAME

PROMPT = "The capital of France is"

#: So many tokens are still being made when the last of the streams has begun.
MANY = 8000

#: Answers that do not end by themselves, for clients that have no way to say so.
LONG_LIST: Any = {
    "format": {
        "type": "json_schema",
        "name": "list",
        "schema": {
            "type": "object",
            "properties": {"a": {"type": "array", "items": {"enum": [1]}, "minItems": 3000}},
            "required": ["a"],
            "additionalProperties": False,
        },
    }
}
LONG_TEXT: Any = {"type": "regex", "value": "[a-z]{7000}"}


def test_a_worker_that_is_killed_fails_its_streams_for_every_client(
    seeded_server: Any, client: openai.OpenAI, hugging_face: InferenceClient
) -> None:
    asked: dict[str, Any] = {"model": NAME, "max_tokens": MANY, "stream": True, "extra_body": {"ignore_eos": True}}
    talk: Any = [{"role": "user", "content": "Hi"}]
    streams: list[Any] = [
        client.completions.create(prompt=PROMPT, **asked),
        client.chat.completions.create(messages=talk, **asked),
        client.responses.create(model=NAME, input="Hi", max_output_tokens=MANY, stream=True, text=LONG_LIST),
        hugging_face.text_generation(PROMPT, max_new_tokens=MANY, stream=True, grammar=LONG_TEXT),
        hugging_face.chat_completion(talk, max_tokens=MANY, stream=True, extra_body={"ignore_eos": True}),
    ]
    options = generation.GenerationOptions(max_tokens=MANY, ignore_eos=True)
    with grpc.insecure_channel(seeded_server.grpc_address) as channel:
        request = pb.GenerateRequest(model=NAME, prompts=[PROMPT], options=options)
        native = pb_grpc.GenerateServiceStub(channel).StreamGenerate(pb.StreamGenerateRequest(request=request))
        (worker,) = seeded_server.workers()
        for stream in [*streams, native]:
            next(iter(stream))
        os.kill(worker.pid, signal.SIGKILL)
        for stream in streams:
            with pytest.raises((openai.APIError, TextGenerationError, OverloadedError, OSError)):
                for _ in stream:
                    pass
        with pytest.raises(grpc.RpcError) as lost:
            for _ in native:
                pass
        assert lost.value.code() is grpc.StatusCode.UNAVAILABLE
    seeded_server.wait_ready(60)
    assert client.completions.create(model=NAME, prompt=PROMPT, max_tokens=2).usage.completion_tokens == 2
