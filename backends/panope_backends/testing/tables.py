"""Seeded tiny models that answer questions about tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

#: Words of the tables and questions of tests, and pieces of all others.
_WORDS = "how many old is was the which who and more than name age born town ada alan grace london paris 7 june 1906"
_PIECES = [
    *"0123456789abcdefghijklmnopqrstuvwxyz.,-:$%?",
    *(f"##{sign}" for sign in "0123456789abcdefghijklmnopqrstuvwxyz"),
]
_SPECIAL = ("[PAD]", "[EMPTY]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

AGGREGATORS = ("NONE", "SUM", "AVERAGE", "COUNT")


def tiny_table_reader(
    folder: Path, *, aggregators: bool = True, seed: int = 0, tokenizer: dict[str, Any] | None = None, **config: Any
) -> None:
    """Writes a TAPAS of random weights, with its vocabulary.

    Args:
        folder: to write into.
        aggregators: whether it says what is to be done with cells.
        seed: of its weights.
        tokenizer: values of tokenizer_config.json.
        config: other values of config.json.
    """
    import torch
    import transformers

    vocabulary = [*_SPECIAL, *dict.fromkeys([*_WORDS.split(), *_PIECES])]
    labels: dict[str, Any] = {}
    if aggregators:
        labels = {
            "num_aggregation_labels": len(AGGREGATORS),
            "aggregation_labels": dict(enumerate(AGGREGATORS)),
            "no_aggregation_label_index": 0,
        }
    torch.manual_seed(seed)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 37}
    settings = transformers.TapasConfig(vocab_size=len(vocabulary), initializer_range=0.3, **sizes | labels | config)
    model = transformers.TapasForQuestionAnswering(settings)
    with torch.no_grad():  # which cells are chosen must depend on what they hold
        model.output_weights.normal_()
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in vocabulary), encoding="utf-8")
    written = {"tokenizer_class": "TapasTokenizer", "model_max_length": 512, **(tokenizer or {})}
    (folder / "tokenizer_config.json").write_text(json.dumps(written))
