"""Images to vectors, and texts beside them, as transformers gives them."""

from __future__ import annotations

import io
import json
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


def _described(folder: Path, *, is_older: bool) -> None:
    """sentence-transformers' folder of a CLIP with steps behind it, as an older and a newer version save it."""
    from safetensors.numpy import save_file

    module = "CLIPModel" if is_older else "Transformer"
    place = folder / "0_CLIPModel" if is_older else folder
    tiny_vision_model(place, "clip")
    kinds = (module, "Dense", "Normalize")
    paths = (place.relative_to(folder).as_posix() if is_older else "", "1_Dense", "2_Normalize")
    entries = [
        {"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for at, (kind, path) in enumerate(zip(kinds, paths, strict=True))
    ]
    (folder / "modules.json").write_text(json.dumps(entries))
    if not is_older:
        methods = {
            kind: {"method": f"get_{kind}_features", "method_output_name": "pooler_output"}
            for kind in ("text", "image")
        }
        how = {"modality_config": methods, "module_output_name": "sentence_embedding"}
        (folder / "sentence_bert_config.json").write_text(json.dumps(how))
    (folder / "1_Dense").mkdir()
    (folder / "1_Dense/config.json").write_text(json.dumps({"in_features": 24, "out_features": 10}))
    random = np.random.default_rng(1)
    weights = {"linear.weight": (10, 24), "linear.bias": (10,)}
    made = {name: random.standard_normal(shape, dtype=np.float32) for name, shape in weights.items()}
    save_file(made, folder / "1_Dense/model.safetensors")


@pytest.mark.parametrize("is_older", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_the_steps_of_sentence_transformers_are_those_of_images_too(tmp_path: Path, is_older: bool) -> None:
    from sentence_transformers import SentenceTransformer

    _described(tmp_path, is_older=is_older)
    library = SentenceTransformer(str(tmp_path), device="cpu", processor_kwargs={"backend": "pil"})
    model = served(tmp_path, "embed")
    facts = pb.EmbedFacts.FromString(model.ready.facts)
    assert (facts.dimensions, facts.normalize, list(facts.inputs)) == (10, True, ["images", "texts"])
    expected = library.encode([Image.open(io.BytesIO(file)) for file in FILES])
    assert vectors(model) == pytest.approx(expected, abs=1e-5)
    texts = [*TEXTS, "the dog sleeps in London " * 20]
    answer = pb.EmbedOutput.FromString(answer_of(model, "embed", pb.EmbedInput(texts=texts, truncation="end")))
    found = np.frombuffer(answer.vectors, "<f4").reshape(len(texts), -1)
    assert found == pytest.approx(library.encode(texts), abs=1e-5)
    assert list(answer.truncated_indices) == [2]
    assert np.linalg.norm(vectors(model, normalize=False), axis=1) != pytest.approx(1)
    assert vectors(model, dimensions=4).shape == (len(FILES), 4)


@pytest.mark.slow
def test_what_is_no_encoder_of_images_is_refused(tmp_path: Path) -> None:
    tiny_vision_model(tmp_path, "dinov2")
    (tmp_path / "modules.json").write_text("[]")
    with pytest.raises(PreconditionError, match="are not run on images"):
        served(tmp_path, "embed")
