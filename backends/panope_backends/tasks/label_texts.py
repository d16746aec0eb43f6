"""Texts that a model compares with images: made of the caller's labels, as transformers' pipeline makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from panope_backends.api import Arrays
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.media.processors import import_transformers
from panope_backends.model_facts.image_models import finds_one_by_one, sees_padding
from panope_backends.tasks.task import ArrayItem

DEFAULT_TEMPLATE = "This is a photo of {}."
"""Of models that classify, as transformers has it."""

PLACE = "{}"
"""In a template, where the label goes; by itself the template of detectors."""

#: SigLIP's texts are all of one length, padding included, which the model sees.
_SIGLIP_TOKENS = 64


class LabelTexts:
    """Makes tokens of labels.

    Args:
        tokenizer: of transformers.
        names: of the model's inputs.
        max_tokens: of one text.
        fixed_tokens: that every text is padded to; 0 for the longest of a request.
        runs_each: whether the model runs an image once for each text.
    """

    def __init__(
        self, tokenizer: Any, names: Sequence[str], max_tokens: int, fixed_tokens: int, *, runs_each: bool = False
    ) -> None:
        self._tokenizer = tokenizer
        self._names = names
        self._max_tokens = max_tokens
        self._fixed_tokens = fixed_tokens
        self._runs_each = runs_each

    def beside(self, item: ArrayItem, labels: Sequence[str], template: str) -> ArrayItem:
        """An image with the texts that it is compared with."""
        return self.beside_all([item], labels, template)[0]

    def beside_all(self, items: Sequence[ArrayItem], labels: Sequence[str], template: str) -> list[ArrayItem]:
        """Images with the same texts each.

        Raises:
            InvalidInputError: a label has more tokens than the model takes.
        """
        tokens = self._tokens(labels, template)
        count = sum(len(ids) for ids in tokens["input_ids"])
        runs = len(labels) if self._runs_each else 1
        return [replace(item, arrays={**item.arrays, **tokens}, tokens=item.tokens * runs + count) for item in items]

    def _tokens(self, labels: Sequence[str], template: str) -> Arrays:
        texts = [template.replace(PLACE, label) for label in labels]
        options: Mapping[str, Any] = {"padding": True}
        if self._fixed_tokens:
            options = {"padding": "max_length", "max_length": self._fixed_tokens, "truncation": True}
        made = self._tokenizer(texts, return_tensors="np", **options)
        if (longest := made["input_ids"].shape[1]) > self._max_tokens:
            raise InvalidInputError.at(
                "candidate_labels",
                "{field} has a label of {count:,} tokens with the text around it; the model takes at most {limit:,}",
                count=longest,
                limit=self._max_tokens,
            )
        found = {name: np.asarray(array, np.int64) for name, array in made.items()}
        # SigLIP and its kin were trained to see padding, so their tokenizers give no mask.
        found.setdefault("attention_mask", np.ones_like(found["input_ids"]))
        return {name: found[name] for name in self._names if name in found}


def load_label_texts(folder: Path, config: Mapping[str, Any], names: Sequence[str]) -> LabelTexts:
    """The tokenizer of a model that compares images with texts.

    Args:
        folder: of the model.
        config: its config.json.
        names: of the model's inputs.

    Raises:
        PreconditionError: its files make none.
    """
    try:
        tokenizer = import_transformers().AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except PreconditionError:
        raise
    except Exception as error:  # files are checked by errors of no family
        raise PreconditionError("the model's files make no tokenizer", reason="load_failed") from error
    text = config.get("text_config")
    positions = text.get("max_position_embeddings") if isinstance(text, Mapping) else None
    most = positions if isinstance(positions, int) and positions > 0 else int(tokenizer.model_max_length)
    fixed = min(_SIGLIP_TOKENS, most) if sees_padding(config) else 0
    return LabelTexts(tokenizer, names, most, fixed, runs_each=finds_one_by_one(config))
