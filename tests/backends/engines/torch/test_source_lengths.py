"""How long a text an encoder reads is what its positions hold, with what it fills them up with."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from panope_backends.engines.torch.encoder_decoder.facts import max_length, text_length


@pytest.mark.parametrize(
    ("config", "source", "decoder"),
    [
        ({"max_position_embeddings": 1024}, 1024, 1024),
        ({"n_positions": 512}, 512, 512),
        ({}, 1024, 1024),
        (
            {
                "max_encoder_position_embeddings": 16_384,
                "max_decoder_position_embeddings": 512,
                "attention_window": [1024] * 12,
            },
            16_384,
            512,
        ),
        ({"max_encoder_position_embeddings": 150, "attention_window": [2, 4]}, 148, 1024),
        ({"max_encoder_position_embeddings": 150, "attention_window": 8}, 144, 1024),
    ],
    ids=["one for both", "t5", "none", "led", "a window too many", "one window"],
)
def test_the_longest_source_ends_with_a_whole_window(config: dict[str, Any], source: int, decoder: int) -> None:
    told = SimpleNamespace(model_type="led", **config)
    assert (text_length(told), max_length(told)) == (source, decoder)
