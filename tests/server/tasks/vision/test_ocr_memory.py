"""What a model that writes text keeps of images and answers is counted before it is loaded."""

from __future__ import annotations

from panope_server.config import Settings
from panope_server.tasks.vision.ocr import OcrTask

SIZES = {"decoder_layers": 2, "d_model": 16, "max_position_embeddings": 64}


def extra(config: dict[str, object]) -> int:
    return OcrTask().extra_bytes(config, Settings(), None)


def test_keys_and_values_of_eight_images_and_their_answers_are_counted() -> None:
    config = {
        "model_type": "vision-encoder-decoder",
        "encoder": {"model_type": "vit", "image_size": 32, "patch_size": 8},
        "decoder": {"model_type": "trocr", **SIZES},
    }
    assert extra(config) == 8 * (4 * 4 + 2 + 64) * 2 * 2 * 16 * 4
    assert extra({**config, "encoder": "broken"}) == 8 * (1 + 2 + 64) * 2 * 2 * 16 * 4
    assert extra({"text_detector_max_side": 2000}) == 0
