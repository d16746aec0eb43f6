"""Images to vectors, and texts beside them, as transformers gives them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.served_images import answer_of, photograph, sent, served

from panope.worker.v1 import embed_pb2 as pb
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.testing.vision.models import tiny_vision_model

FILES = [photograph(0), photograph(1, (80, 120)), photograph(2)]
TEXTS = ["a fox runs", "the dog sleeps in London"]


def vectors(model: Any, **options: Any) -> np.ndarray[Any, Any]:
    answer = answer_of(model, "embed-images", pb.EmbedImagesInput(images=sent(*FILES), **options))
    found = pb.EmbedImagesOutput.FromString(answer)
    return np.frombuffer(found.vectors, "<f4").reshape(len(FILES), found.dimensions)


def loaded(folder: Path) -> tuple[Any, dict[str, Any]]:
    """The library's own model, and its inputs of the images."""
    import transformers

    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    images = [Image.open(io.BytesIO(file)) for file in FILES]
    return transformers.AutoModel.from_pretrained(folder).eval(), processor(images=images, return_tensors="pt")


@pytest.mark.parametrize("kind", ["dinov2", pytest.param("convnext_base", marks=pytest.mark.slow)])
def test_encoders_pool_as_asked(tmp_path: Path, kind: str) -> None:
    import torch

    tiny_vision_model(tmp_path, kind)
    model = served(tmp_path, "embed")
    facts = pb.EmbedFacts.FromString(model.ready.facts)
    library, inputs = loaded(tmp_path)
    with torch.inference_mode():
        given = library(**inputs)
    hidden = given.last_hidden_state.flatten(2)
    rows = hidden.transpose(1, 2) if kind == "convnext_base" else hidden[:, 1:]
    expected = {"pooler": given.pooler_output, "cls": hidden[:, 0], "patch_mean": rows.mean(dim=1)}
    assert (list(facts.inputs), facts.pooling, facts.dimensions) == (["images"], "pooler", 32)
    assert vectors(model) == pytest.approx(given.pooler_output.numpy(), abs=1e-5)
    for mode in facts.image_poolings:
        assert vectors(model, image_pooling=mode) == pytest.approx(expected[mode].numpy(), abs=1e-5)
    short = vectors(model, dimensions=8, normalize=True)
    assert np.linalg.norm(short, axis=1) == pytest.approx(1)
    with pytest.raises(InvalidInputError, match="embeds images"):
        answer_of(model, "embed", pb.EmbedInput(texts=TEXTS, truncation="refuse"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_images_and_texts_share_a_space(tmp_path: Path, kind: str) -> None:
    import torch
    import transformers

    tiny_vision_model(tmp_path, kind)
    model = served(tmp_path, "embed")
    library, inputs = loaded(tmp_path)
    padding = {"padding": "max_length", "max_length": 64} if kind == "siglip" else {"padding": True}
    tokens = transformers.AutoTokenizer.from_pretrained(tmp_path)(TEXTS, return_tensors="pt", **padding)
    given = {name: tokens[name] for name in ("input_ids", "attention_mask") if kind == "clip" or name == "input_ids"}
    with torch.inference_mode():
        images, texts = library.get_image_features(**inputs), library.get_text_features(**given)
    assert vectors(model) == pytest.approx(images.pooler_output.numpy(), abs=1e-4)
    answer = pb.EmbedOutput.FromString(answer_of(model, "embed", pb.EmbedInput(texts=TEXTS, truncation="refuse")))
    found = np.frombuffer(answer.vectors, "<f4").reshape(len(TEXTS), -1)
    assert found == pytest.approx(texts.pooler_output.numpy(), abs=1e-4)
    assert list(answer.token_counts) == [5, 7]


@pytest.mark.slow
def test_what_is_no_encoder_of_images_is_refused(tmp_path: Path) -> None:
    tiny_vision_model(tmp_path, "dinov2")
    (tmp_path / "modules.json").write_text("[]")
    with pytest.raises(PreconditionError, match="are not run on images"):
        served(tmp_path, "embed")
