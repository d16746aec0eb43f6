"""The library called directly on a folder: the same weights, in float32, with nothing of Panope's."""

from __future__ import annotations

import inspect
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image

#: Within what the text tokenizers know, of several lengths.
TEXTS = ("the quick brown fox runs", "a dog sleeps in the house", "river")
RATE = 16_000


class Library:
    """One model.

    Args:
        folder: of it.
        class_name: of transformers.
    """

    def __init__(self, folder: Path, class_name: str) -> None:
        self.folder = folder
        self.model = getattr(transformers, class_name).from_pretrained(folder, dtype=torch.float32).eval()
        self.config = self.model.config
        #: Of SigLIP's kin, whose texts are all of one length in which padding counts.
        self.sees_padding = str(self.config.model_type).startswith("siglip")

    def tokens(self, *texts: str, **options: Any) -> Any:
        """Of one text, or of two together, as the folder's tokenizer makes them and the model takes them."""
        made = transformers.AutoTokenizer.from_pretrained(self.folder)(*texts, return_tensors="pt", **options)
        types = int(getattr(self.config, "type_vocab_size", 0) or 0)
        takes = types > 1 and "token_type_ids" in inspect.signature(self.model.forward).parameters
        return {name: value for name, value in made.items() if takes or name != "token_type_ids"}

    def processor(self) -> Any:
        """Of images."""
        return transformers.AutoImageProcessor.from_pretrained(self.folder, backend="pil")

    def pixels(self, file: bytes) -> Any:
        """The model's inputs of an image."""
        return self.processor()(images=[image_of(file)], return_tensors="pt")

    def __call__(self, **inputs: Any) -> Any:
        """The model's outputs."""
        with torch.inference_mode():
            return self.model(**inputs)


def image_of(file: bytes) -> Image.Image:
    """In RGB."""
    return Image.open(io.BytesIO(file)).convert("RGB")


def photograph(seed: int = 0, size: tuple[int, int] = (90, 70)) -> bytes:
    """A file of coarse noise."""
    noise = np.random.default_rng(seed).integers(0, 255, (14, 18, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).resize(size).save(file, "PNG")
    return file.getvalue()


def sound(seconds: float = 1.0) -> np.ndarray[Any, Any]:
    """Noise whose loudness comes and goes."""
    count = int(RATE * seconds)
    noise = np.random.default_rng(0).standard_normal(count) * 0.3
    return (noise * np.abs(np.sin(np.arange(count) / 2500))).astype(np.float32)


def probabilities(logits: Any) -> np.ndarray[Any, Any]:
    """Of the last axis."""
    made: np.ndarray[Any, Any] = logits.float().softmax(-1).numpy()
    return made


def same(found: Any, wanted: Any, *, tolerance: float = 2e-3) -> str:
    """Why two arrays are not the same; empty where they are, to a part of the largest value that is wanted.

    Answers that are alike for all inputs, or no numbers, show nothing, so they are not the same either.
    """
    one, other = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    if one.shape != other.shape:
        return f"the answer has the shape {list(one.shape)}, and the library's {list(other.shape)}"
    if not np.isfinite(other).all():
        return "the library's own answer has values that are no numbers"
    most = float(np.abs(other).max()) if other.size else 0.0
    difference = float(np.abs(one - other).max()) / max(most, 1e-6) if other.size else 0.0
    return "" if difference <= tolerance else f"differs by {difference:.1e} of the largest value"


def first(reasons: Sequence[str]) -> str:
    """The first that says something."""
    return next((reason for reason in reasons if reason), "")
