"""What stands beside the weights: a tokenizer of words, a processor of images, an extractor of audio."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from panope_backends.testing.architectures.sizes import SIDE, VOCABULARY
from panope_backends.testing.models import WORDS

MOST_TOKENS = 64
"""Of a text, as tokenizers say."""

_MARKS = {"pad": "[PAD]", "cls": "[CLS]", "sep": "[SEP]", "unk": "[UNK]", "mask": "[MASK]"}

#: Processors of types that are published with another type's.
_PROCESSORS = {
    "d_fine": "RTDetrImageProcessorPil",
    "dab-detr": "ConditionalDetrImageProcessorPil",
    "rt_detr_v2": "RTDetrImageProcessorPil",
    "siglip2_vision_model": "Siglip2ImageProcessorPil",
}

#: Sides of images for models that look for things in large ones.
_LARGE = 64


SIGNS = ("<pad>", "<s>", "</s>", "<unk>", "|", *"ETAOIN")
"""Of models that tell letters."""


def write_files(folder: Path, config: Any, class_name: str, task: str) -> None:
    """Writes them beside a saved model.

    Args:
        folder: of the model.
        config: of transformers.
        class_name: of the model.
        task: of Panope.
    """
    if task in ("transcribe", "classify"):
        _write_extractor(folder, config)
    if class_name.endswith("ForCTC"):
        _write_signs(folder)
    elif _has_texts(config):
        write_tokenizer(folder, closed=task != "generate" or bool(config.is_encoder_decoder))
    if (side := _side(config)) or task in ("detect", "segment", "depth"):
        _write_image_processor(folder, config, side or _LARGE)


def _has_texts(config: Any) -> bool:
    parts = (config, *(getattr(config, name, None) for name in ("text_config", "encoder")))
    return any(getattr(each, "vocab_size", None) for each in parts if each is not None)


def _side(config: Any) -> int:
    """Of the images that a model takes; 0 for one that takes none."""
    for each in (config, getattr(config, "vision_config", None)):
        size = getattr(each, "image_size", None)
        if isinstance(size, list | tuple) and size:
            size = size[0]
        if type(size) is int:
            return size
    if not _has_texts(config) and (getattr(config, "num_channels", None) or _processor_of(config.model_type)):
        return _LARGE
    return SIDE if getattr(config, "vision_config", None) is not None else 0


def write_tokenizer(folder: Path, *, closed: bool) -> None:
    """Writes a tokenizer of as many words as the models have.

    Args:
        folder: where to.
        closed: whether texts stand between marks.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    known = [*_MARKS.values(), *WORDS.split(), ".", ","]
    known += [f"word{number}" for number in range(VOCABULARY - len(known))]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(known)}, unk_token="[UNK]"))  # noqa: S106 - no password
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece("##")
    tokenizer.add_special_tokens(list(_MARKS.values()))
    if closed:
        tokenizer.post_processor = processors.TemplateProcessing(
            "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", [("[CLS]", 1), ("[SEP]", 2)]
        )
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {f"{mark}_token": token for mark, token in _MARKS.items()} | {"bos_token": "[CLS]", "eos_token": "[SEP]"}
    _write(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": MOST_TOKENS, **names},
    )


def _processor_of(model_type: str) -> Mapping[str, Any]:
    """The processors of images of a type, by what computes them; none of a type that has none of its own."""
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES

    if model_type in _PROCESSORS:
        return {"pil": _PROCESSORS[model_type]}
    return dict(IMAGE_PROCESSOR_MAPPING_NAMES.get(model_type) or {})


def _write_image_processor(folder: Path, config: Any, side: int) -> None:
    import transformers

    vision = getattr(config, "vision_config", None)
    kinds = [config.model_type, getattr(vision, "model_type", "")]
    named = next((found for kind in kinds if (found := _processor_of(kind))), {"pil": "ViTImageProcessorPil"})
    if not named.get("pil"):  # which says what the folder of a real one says
        size = {"height": side, "width": side}
        _write(folder / "preprocessor_config.json", {"image_processor_type": next(iter(named.values())), "size": size})
        return
    if named["pil"].startswith("Timm"):
        return  # config.json says it
    kind = getattr(transformers, named["pil"])
    made = kind(
        **{
            name: _scaled(getattr(kind, name, None), side)
            for name in ("size", "crop_size")
            if getattr(kind, name, None)
        }
    )
    values = made.to_dict()
    values["image_processor_type"] = named["pil"].removesuffix("Pil")
    _write(folder / "preprocessor_config.json", values)


def _scaled(size: Any, side: int) -> Any:
    if isinstance(size, int):
        return side
    known = {"longest_edge": 2 * side}
    return {
        name: known.get(name, side) for name in size if name in ("height", "width", "shortest_edge", "longest_edge")
    }


def _write_extractor(folder: Path, config: Any) -> None:
    """Of audio, for a type that hears."""
    import transformers
    from transformers.models.auto.feature_extraction_auto import FEATURE_EXTRACTOR_MAPPING_NAMES

    name = FEATURE_EXTRACTOR_MAPPING_NAMES.get(config.model_type)
    if name is not None:
        getattr(transformers, name)().save_pretrained(folder)


def _write_signs(folder: Path) -> None:
    import transformers

    _write(folder / "vocab.json", {sign: index for index, sign in enumerate(SIGNS)})
    transformers.Wav2Vec2CTCTokenizer(str(folder / "vocab.json")).save_pretrained(folder)


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content))
