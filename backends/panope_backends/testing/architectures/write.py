"""A folder as it would be published: weights, configuration, and what stands beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from panope_backends.api import ModelFacts
from panope_backends.testing.architectures.files import SIGNS, write_files
from panope_backends.testing.architectures.shrink import tiny_config
from panope_backends.testing.audio.fairseq import tiny_seamless, tiny_speech_to_text
from panope_backends.testing.audio.labels import KINDS, tiny_audio_classifier
from panope_backends.testing.audio.speaking import tiny_speecht5, tiny_vits
from panope_backends.testing.audio.speech import tiny_moonshine, tiny_whisper
from panope_backends.testing.tables import tiny_table_reader
from panope_backends.testing.vision.captioners import tiny_blip, tiny_blip_2, tiny_git, tiny_paligemma, tiny_vit_gpt2
from panope_backends.testing.vision.models import tiny_vision_model
from panope_backends.testing.vision.video_classifiers import VIDEO_CLASSIFIERS, tiny_video_classifier

MOST_PARAMETERS = 20_000_000

LABELS = ("cat", "dog", "fox")

#: Models that are more than weights, a configuration and words, as their own makers write them: by type and task.
WHOLE: Mapping[tuple[str, str], Callable[[Path], Any]] = {
    ("whisper", "transcribe"): tiny_whisper,
    ("moonshine", "transcribe"): tiny_moonshine,
    ("speech_to_text", "transcribe"): tiny_speech_to_text,
    ("seamless_m4t", "transcribe"): tiny_seamless,
    ("seamless_m4t_v2", "transcribe"): partial(tiny_seamless, version="v2"),
    ("vits", "speak"): tiny_vits,
    ("speecht5", "speak"): tiny_speecht5,
    **{(kind, "classify"): partial(tiny_audio_classifier, kind=kind) for kind in KINDS},
    **{(kind, "classify"): partial(tiny_video_classifier, name=kind) for kind in VIDEO_CLASSIFIERS},
    ("blip", "generate"): tiny_blip,
    ("blip-2", "generate"): tiny_blip_2,
    ("git", "generate"): tiny_git,
    ("paligemma", "generate"): tiny_paligemma,
    ("vision-encoder-decoder", "generate"): tiny_vit_gpt2,
    ("tapas", "table-question-answer"): tiny_table_reader,
    ("owlvit", "detect"): partial(tiny_vision_model, kind="owlvit"),
    ("owlv2", "detect"): partial(tiny_vision_model, kind="owlv2"),
    ("grounding-dino", "detect"): partial(tiny_vision_model, kind="grounding_dino"),
    ("vitpose", "detect"): partial(tiny_vision_model, kind="vitpose"),
    ("mask2former", "segment"): partial(tiny_vision_model, kind="mask2former"),
    ("detr", "segment"): partial(tiny_vision_model, kind="detr_panoptic"),
    ("glpn", "depth"): partial(tiny_vision_model, kind="glpn"),
    ("zoedepth", "depth"): partial(tiny_vision_model, kind="zoedepth"),
    ("swin2sr", "super-resolution"): partial(tiny_vision_model, kind="swin2sr"),
}

#: Weights are so many times those of a fresh model, whose answers to all inputs are about alike.
_SHARPNESS = 3


def write_architecture(folder: Path, model_type: str, class_name: str, task: str, **changes: Any) -> ModelFacts:
    """Writes a seeded model.

    Args:
        folder: where to; it is made.
        model_type: of transformers.
        class_name: the class with the head that the task needs.
        task: of Panope, which says what stands beside the weights.
        changes: to its configuration.

    Raises:
        ValueError: it is not small.
        Exception: of whatever kind the type's own code raises.
    """
    import torch
    import transformers

    folder.mkdir(parents=True, exist_ok=True)
    if (whole := WHOLE.get((model_type, task))) is not None:
        whole(folder)
        return _facts(folder, model_type, class_name, task)
    config = tiny_config(model_type, **{**_of_head(class_name), **changes})
    if task == "generate" and not config.is_encoder_decoder:
        config.is_decoder = True  # which encoders with a decoder's head are not by themselves
    kind = getattr(transformers, class_name)
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in kind(config).parameters())
    if count > MOST_PARAMETERS:
        raise ValueError(f"{class_name} has {count:,} parameters where {MOST_PARAMETERS:,} are the most")
    torch.manual_seed(0)
    model = kind(config).eval()
    _sharpen(model)
    transformers.utils.logging.disable_progress_bar()
    model.save_pretrained(folder)
    write_files(folder, model.config, class_name, task)
    return _facts(folder, model_type, class_name, task)


def _facts(folder: Path, model_type: str, class_name: str, task: str) -> ModelFacts:
    parsed = json.loads((folder / "config.json").read_text())
    return ModelFacts(f"test/tiny-{model_type}", "safetensors", task, class_name, parsed)


def _of_head(class_name: str) -> dict[str, Any]:
    """What a head says of itself in a configuration."""
    if "ForQuestionAnswering" in class_name:
        return {"num_labels": 2}
    if class_name.endswith("ForCTC"):
        return {"vocab_size": len(SIGNS), "pad_token_id": 0}
    labels = {label: index for index, label in enumerate(LABELS)}
    return {"id2label": {index: label for label, index in labels.items()}, "label2id": labels}


def _sharpen(model: Any) -> None:
    import torch

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1 and "embed_positions" not in name and "norm" not in name:
                parameter.mul_(_SHARPNESS)
