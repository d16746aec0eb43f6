"""Segments of tiny seeded models are those of transformers' own post-processing of the same values."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from panope_backends.api import ModelFacts
from panope_backends.engines.torch.vision.heads import vision_head
from panope_backends.engines.torch.vision.model import load_vision_model
from panope_backends.media.processors import ImageProcessor, load_image_processor, trial_image
from panope_backends.tasks.segment.decoders import Asked, decoder_for
from panope_backends.testing.vision.models import tiny_vision_model

# PyTorch, and four models.
pytestmark = pytest.mark.slow

HEIGHT, WIDTH = 70, 110
LOW = {"threshold": 0.1, "mask_threshold": 0.05, "overlap_mask_area_threshold": 0.0}


def values_of(folder: Path, kind: str) -> tuple[dict[str, Any], ImageProcessor, dict[str, Any]]:
    """The configuration, the processor, and what the model gives for an image."""
    tiny_vision_model(folder, kind, seed=3)
    config = json.loads((folder / "config.json").read_text())
    facts = ModelFacts("acme/tiny", "safetensors", "segment", config["architectures"][0], config)
    head = vision_head(facts)
    assert head is not None
    model = load_vision_model(facts, head, folder, "fp32", 1)
    processor = load_image_processor(folder)
    pixels = processor.arrays(trial_image(1).resize((WIDTH, HEIGHT)), "images[0]")["pixel_values"]
    given = model.run({"pixel_values": pixels[None]})
    # So wild are random weights that masks are 1 everywhere to the last digit, and which comes first is chance.
    calm = {name: array / np.abs(array).max() * 4 if "mask" in name else array for name, array in given.items()}
    return config, processor, calm


@pytest.mark.parametrize("kind", ["segformer", "maskformer", "mask2former", "detr_panoptic"])
def test_segments_are_those_of_transformers(tmp_path: Path, kind: str) -> None:
    import torch

    config, processor, given = values_of(tmp_path, kind)
    outputs = SimpleNamespace(**{name: torch.from_numpy(array) for name, array in given.items()})
    decoder = decoder_for(config, list(given))
    row = {name: array[0] for name, array in given.items()}
    for subtask in decoder.subtasks:
        options = {name: LOW[name] for name in decoder.thresholds(subtask)}
        found = decoder.decoded(row, HEIGHT, WIDTH, Asked(subtask, **options))
        process = getattr(processor.processor, f"post_process_{subtask}_segmentation")
        (theirs,) = process(outputs, target_sizes=[(HEIGHT, WIDTH)], **options)
        if subtask == "semantic":
            assert (found.labels[found.pixels] == theirs.numpy()).mean() > 0.999
            continue
        assert found.scores is not None
        segments = theirs["segments_info"]
        wanted = sorted((each["label_id"], each["score"], each["id"]) for each in segments)
        ours = sorted(zip(found.labels.tolist(), found.scores.tolist(), range(len(found.labels)), strict=True))
        assert wanted
        assert [label for label, _, _ in ours] == [label for label, _, _ in wanted]
        assert [score for _, score, _ in ours] == pytest.approx([score for _, score, _ in wanted], abs=2e-6)
        if subtask == "panoptic":  # of instances that overlap, the library leaves open which one is seen
            pairs = zip(ours, wanted, strict=True)
            seen = theirs["segmentation"].numpy()
            assert all(((found.pixels == here) == (seen == there)).mean() > 0.999 for (*_, here), (*_, there) in pairs)
