"""`panope summarize` and `panope translate`: what a server is asked, and what is printed of its answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from panope.v1 import generate_service_pb2 as pb
from panope_server.cli.main import app

TEXTS = ("Good morning.", "[a] text")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What a server is asked that answers with the texts in capitals."""
    calls: list[dict[str, Any]] = []

    class Client:
        def __init__(self, address: str, **_: object) -> None:
            self.address = address

        def __enter__(self) -> Client:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def generate(self, prompts: list[str], model: str, **options: Any) -> pb.GenerateResponse:
            calls.append({"model": model, **options})
            return pb.GenerateResponse(completions=[pb.Completion(text=text.upper()) for text in prompts])

    monkeypatch.setattr("panope_client.Client", Client)
    return calls


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments, "--address", "localhost:1"])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_texts_are_translated_between_the_languages_that_are_said(asked: list[dict[str, Any]]) -> None:
    assert run("translate", "acme/t5", *TEXTS, "--from", "en", "--to", "de") == "GOOD MORNING.\n[A] TEXT\n"
    how = pb.TextToText(task=pb.TEXT_TASK_TRANSLATION, source_language="en", target_language="de")
    assert asked == [{"model": "acme/t5", "text_to_text": how, "temperature": 0}]


def test_texts_are_summarized_within_a_length_and_told_to_programs(asked: list[dict[str, Any]]) -> None:
    told = json.loads(run("summarize", "acme/t5", *TEXTS, "--max-tokens", "9", "--truncate", "--json"))
    assert told == [{"text": text, "answer": text.upper()} for text in TEXTS]
    how = pb.TextToText(task=pb.TEXT_TASK_SUMMARIZATION, truncate=True)
    assert asked == [{"model": "acme/t5", "text_to_text": how, "temperature": 0, "max_tokens": 9}]
