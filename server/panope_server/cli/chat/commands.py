"""`panope run` and `panope generate`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from panope_server.cli.chat.conversation import Conversation, Message
from panope_server.cli.chat.options import ChatOptions
from panope_server.cli.client import client_for, sentence_of
from panope_server.cli.options import Address, Hardware, Json, Model, address_for
from panope_server.cli.output.console import console, fail, note, print_json

if TYPE_CHECKING:
    from panope_client import Client

_QUOTES = '"""'

Temperature = Annotated[float | None, typer.Option(help="0 takes the likeliest tokens.")]
TopP = Annotated[float | None, typer.Option(help="Only the likeliest tokens that together have this probability.")]
TopK = Annotated[int | None, typer.Option(help="Only the likeliest so many tokens.")]
MaxTokens = Annotated[int | None, typer.Option(help="The most tokens of an answer.")]
Seed = Annotated[int | None, typer.Option(help="Draws the same again.")]


def run(
    model: Model,
    prompt: Annotated[
        str | None, typer.Argument(help="Asked once; without it a chat begins. Empty to ask with an image alone.")
    ] = None,
    system: Annotated[str, typer.Option(help="What the model is told beforehand.")] = "",
    image: Annotated[
        list[Path] | None,
        typer.Option(help="An image to ask about; may be repeated.", exists=True, dir_okay=False, readable=True),
    ] = None,
    temperature: Temperature = None,
    top_p: TopP = None,
    top_k: TopK = None,
    max_tokens: MaxTokens = None,
    seed: Seed = None,
    hardware: Hardware = "",
    address: Address = None,
) -> None:
    """Chat with a model; ask it once with a prompt, or with what is piped in."""
    options = ChatOptions(temperature, top_p, top_k, max_tokens, seed)
    with client_for(model, address, hardware) as client:
        conversation = Conversation(lambda messages, given: _answer(client, model, messages, given), options, system)
        conversation.images += [path.read_bytes() for path in image or ()]
        if prompt is None and sys.stdin.isatty():
            _chat(conversation, address_for(address))
            return
        piped = "" if sys.stdin.isatty() else sys.stdin.read().strip()
        text = "\n\n".join(part for part in (prompt, piped) if part)
        if not text and not image:
            fail("there is nothing to ask: give a prompt, or pipe one in", 2)
        conversation.say(text, _show)
        _show("\n")


def generate(
    model: Model,
    prompt: Annotated[str, typer.Argument(help="The text to continue.")],
    temperature: Temperature = None,
    top_p: TopP = None,
    top_k: TopK = None,
    max_tokens: MaxTokens = None,
    seed: Seed = None,
    stop: Annotated[list[str] | None, typer.Option(help="A text that ends the answer; may be repeated.")] = None,
    hardware: Hardware = "",
    address: Address = None,
    json: Json = False,
) -> None:
    """Continue a text."""
    options = ChatOptions(temperature, top_p, top_k, max_tokens, seed).given()
    with client_for(model, address, hardware) as client:
        if json:
            answer = client.generate(prompt, model, stop=stop or (), **options)
            completion = answer.completions[0]
            usage = {name: getattr(answer.usage, name) for name in ("prompt_tokens", "completion_tokens")}
            print_json({"text": completion.text, "finish_reason": _reason(completion.finish_reason), "usage": usage})
            return
        with suppress(KeyboardInterrupt):
            for piece in client.stream_generate(prompt, model, stop=stop or (), **options):
                _show("".join(delta.text for delta in piece.deltas))
        _show("\n")


def _reason(number: int) -> str:
    """Such as `stop`."""
    from panope.v1.generation_pb2 import FinishReason

    return FinishReason.Name(FinishReason.ValueType(number)).removeprefix("FINISH_REASON_").lower()


def _answer(client: Client, model: str, messages: list[Message], options: ChatOptions) -> Iterator[str]:
    for piece in client.stream_chat(messages, model, **options.given()):
        yield "".join(delta.content for delta in piece.deltas)


def _chat(conversation: Conversation, address: str) -> None:
    """Reads and answers until the end."""
    with suppress(ImportError):  # lines can be edited and called back where the library is there
        import readline  # noqa: F401 - importing it is its use
    console.print("Ctrl-D ends; /? tells what else there is", style="dim")
    while (text := _read()) is not None:
        if text.startswith("/"):
            said = conversation.command(text)
            if said is None:
                return
            console.print(said)
        elif text.strip():
            _say(conversation, text, address)


def _say(conversation: Conversation, text: str, address: str) -> None:
    from panope_client import PanopeClientError

    try:
        conversation.say(text, _show)
    except PanopeClientError as error:
        note(sentence_of(error, address))
    _show("\n")


def _read() -> str | None:
    """A message of the person; None at the end."""
    try:
        line = input(">>> ")
        if not line.startswith(_QUOTES):
            return line
        lines = [line.removeprefix(_QUOTES)]
        while not lines[-1].rstrip().endswith(_QUOTES):
            lines.append(input("... "))
        return "\n".join(lines).rstrip().removesuffix(_QUOTES)
    except EOFError:
        return None
    except KeyboardInterrupt:
        _show("\n")
        return ""


def _show(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
