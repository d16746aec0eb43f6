"""What is told of a body before it is known which kind it is."""

from __future__ import annotations

import pytest

from panope_server.transport.rest.hugging_face.outline import Outline, outline_of


@pytest.mark.parametrize(
    ("data", "outline"),
    [
        (b'{"inputs": "a"}', Outline(frozenset({"inputs"}), inputs='"')),
        (b'{"inputs":\n["a"], "model": "x/y"}', Outline(frozenset({"inputs", "model"}), model="x/y", inputs="[")),
        (
            b'{"inputs": {"text": "a"}, "parameters": {"top_k": 1, "stride": null}}',
            Outline(
                frozenset({"inputs", "parameters"}),
                frozenset({"top_k", "stride"}),
                inputs="{",
                input_fields=frozenset({"text"}),
            ),
        ),
        (b'{"parameters": [1], "model": 5}', Outline(frozenset({"parameters", "model"}))),
        (b'{"parameters": {"top_k": }}', Outline()),
        (b'{"model": "\xff"}', Outline()),
        (b"[1]", Outline()),
        (b"", Outline()),
    ],
)
def test_a_body_is_outlined_without_being_read(data: bytes, outline: Outline) -> None:
    assert outline_of(data) == outline
