"""What transformers' own generation writes of an image, by the ways of the model cards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from panope_backends.testing.vision.captioners import END, IMAGE, START


def library_caption(folder: Path, model: Any, image: Image.Image, text: str, tokens: int) -> list[int]:
    """The likeliest tokens behind the prompt, with what ends them and fills them up.

    Args:
        folder: of the model's files.
        model: transformers' of one of the tiny captioners.
        image: to write of.
        text: the question, or what the answer goes on from; empty for none.
        tokens: at most.
    """
    import torch
    from transformers import AutoImageProcessor, AutoTokenizer

    processor, tokenizer = (
        AutoImageProcessor.from_pretrained(folder, backend="pil"),
        AutoTokenizer.from_pretrained(folder),
    )
    pixels = torch.from_numpy(np.asarray(processor(images=[image], return_tensors="np")["pixel_values"]))
    ids = tokenizer(text, add_special_tokens=False)["input_ids"] if text else []
    options: dict[str, Any] = {"max_new_tokens": tokens, "do_sample": False}
    kind = type(model).__name__
    if kind == "BlipForQuestionAnswering":
        options["input_ids"], prompt = torch.tensor([ids]), 1
    elif kind == "BlipForConditionalGeneration":
        # Its `generate` cuts the last token, which a tokenizer of BERT's ends texts with.
        options["input_ids"], prompt = torch.tensor([[START, *ids, END]]), 1 + len(ids)
    elif kind == "PaliGemmaForConditionalGeneration":
        line = tokenizer(f"{text}\n", add_special_tokens=False)["input_ids"]
        options["input_ids"] = torch.tensor([[*[IMAGE] * 16, START, *line]])
        options["token_type_ids"], prompt = torch.zeros_like(options["input_ids"]), 17 + len(line)
    elif kind == "Blip2ForConditionalGeneration" and model.language_model.config.is_encoder_decoder:
        options["input_ids"], prompt = torch.tensor([[*[IMAGE] * 4, *(ids or [START])]]), 1
    elif kind == "Blip2ForConditionalGeneration":
        options["input_ids"], prompt = torch.tensor([[*[IMAGE] * 4, START, *ids]]), 5 + len(ids)
    else:
        name = "decoder_input_ids" if kind == "VisionEncoderDecoderModel" else "input_ids"
        options[name], prompt = torch.tensor([[START, *ids]]), 1 + len(ids)
    with torch.inference_mode():
        made: list[int] = model.generate(pixel_values=pixels, **options)[0].tolist()
    return made[prompt:]
