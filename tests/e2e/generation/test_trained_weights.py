"""SmolLM2's trained weights on OpenVINO give the answers that transformers gives."""

from __future__ import annotations

from typing import Any

import pytest

import smollm2

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def test_its_answers_are_the_known_ones(smollm2_server: Any) -> None:
    for text, right in smollm2.CONTINUED.items():
        body = {"model": smollm2.NAME, "prompt": text, "temperature": 0, "max_tokens": 2}
        assert smollm2_server.post("/v1/completions", body).json["choices"][0]["text"] == right
    for question, right in smollm2.ANSWERED.items():
        body = {"messages": [{"role": "user", "content": question}], "temperature": 0, "max_tokens": 30}
        told = smollm2_server.post("/v1/chat/completions", {"model": smollm2.NAME, **body}).json["choices"][0]
        assert (told["message"]["content"], told["finish_reason"]) == (right, "stop")
    (instance,) = smollm2_server.get(f"/v1/models/{smollm2.NAME}/info").json["instances"]
    assert instance["backend"] == "openvino"
