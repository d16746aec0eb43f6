"""What a gRPC call carries beside its message."""

from __future__ import annotations

from typing import Any

import pytest

from panope_backends.errors import InvalidInputError
from panope_registry.access.priority import Priority
from panope_server.access.principal import ANONYMOUS, Principal, set_principal
from panope_server.pipeline.call import Call
from panope_server.tasks.embed import EmbedInput
from panope_server.transport.interceptors.context import call_for


class Context:
    """A call's, as gRPC gives it."""

    def __init__(self, peer: str, **metadata: str) -> None:
        self._peer = peer
        self._metadata = tuple((key.replace("_", "-"), value) for key, value in metadata.items())

    def peer(self) -> str:
        return self._peer

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._metadata

    def time_remaining(self) -> None:
        return None


def made(context: Any, **more: Any) -> Call:
    return call_for(context, model="m", task_input=EmbedInput(["a"]), task="embed", interface="Test/Embed", **more)


@pytest.mark.parametrize(
    ("context", "caller"),
    [
        (Context("ipv4:10.1.2.3:4711"), "10.1.2.3"),
        (Context("ipv6:%5B::1%5D:4711"), "::1"),
        (Context("ipv4:10.1.2.3:4711", x_forwarded_for="6.6.6.6"), "10.1.2.3"),
        (Context("unix:", x_forwarded_for="6.6.6.6, 10.1.2.3"), "10.1.2.3"),
        (Context("unix:"), ""),
    ],
)
def test_a_caller_without_a_key_is_the_address_that_it_came_from_whatever_it_says(
    context: Context, caller: str
) -> None:
    assert made(context).caller == caller


def test_a_caller_with_a_key_is_that_key_wherever_it_calls_from() -> None:
    set_principal(Principal("ada", key_id="k1"))
    try:
        assert {made(Context(peer)).caller for peer in ("ipv4:10.1.2.3:1", "unix:")} == {"key:k1"}
    finally:
        set_principal(ANONYMOUS)


@pytest.mark.parametrize(("word", "priority"), [("high", Priority.HIGH), ("normal", Priority.NORMAL), ("", None)])
def test_the_metadata_says_how_urgent_a_call_is(word: str, priority: Priority | None) -> None:
    assert made(Context("unix:", x_panope_priority=word)).asked_priority == priority


@pytest.mark.parametrize("word", ["urgent", "High", "1", "high,low"])
def test_an_unknown_priority_is_refused_by_the_name_of_its_metadata(word: str) -> None:
    with pytest.raises(InvalidInputError, match=r"`x-panope-priority` is .*: write low, normal or high") as refused:
        made(Context("unix:", x_panope_priority=word))
    assert refused.value.field == "x-panope-priority"


def test_the_metadata_says_on_what_hardware_a_call_may_run() -> None:
    assert made(Context("unix:", x_panope_hardware="CUDA, any")).hardware == ("torch-cuda", "any")
    assert made(Context("unix:")).hardware == ()


def test_the_body_may_say_it_too_and_nothing_else() -> None:
    asked = Context("unix:", x_panope_hardware="openvino,cpu")
    assert made(asked, hardware=["openvino", "cpu"]).hardware == ("openvino", "cpu")
    assert made(Context("unix:"), hardware="cpu").hardware == ("cpu",)
    with pytest.raises(InvalidInputError, match="`hardware` asks for other backends than `x-panope-hardware`"):
        made(asked, hardware="cpu")
