"""Which models take images, told from config.json: workers ask when they load one, engines before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Which config.json has of models of images; those of texts and images together have them in a part of it.
_SIZES = ("image_size", "num_channels", "pretrained_cfg")  # the last is timm's

#: No image has a longer side.
_MOST = 1 << 24


def architecture_of(config: Mapping[str, Any]) -> str:
    """The class that config.json names; empty where it names none."""
    named = config.get("architectures")
    return str(named[0]) if isinstance(named, list) and named else ""


def with_type(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config.json as transformers writes it; timm's hub names an architecture of timm's alone."""
    own = config.get("pretrained_cfg")
    if "model_type" in config or not isinstance(own, Mapping) or not isinstance(config.get("architecture"), str):
        return dict(config)
    classes = config.get("num_classes", own.get("num_classes"))
    named = "TimmWrapperForImageClassification" if classes else "TimmWrapperModel"
    return {**config, "model_type": "timm_wrapper", "architectures": [named], "num_classes": classes}


def classifies_images(config: Mapping[str, Any]) -> bool:
    """Whether a model that classifies does it with images."""
    return architecture_of(config).endswith("ForImageClassification") or compares(config)


def classifies_videos(config: Mapping[str, Any]) -> bool:
    """Whether a model that classifies does it with videos."""
    return architecture_of(config).endswith("ForVideoClassification")


def compares(config: Mapping[str, Any]) -> bool:
    """Whether it compares images with texts, such as CLIP."""
    return "vision_config" in config and "text_config" in config


def compares_videos(config: Mapping[str, Any]) -> bool:
    """Whether it compares videos with texts, whose vectors depend on the video, as X-CLIP does."""
    return str(config.get("model_type")) == "xclip"


def embeds_images(config: Mapping[str, Any]) -> bool:
    """Whether a model that embeds does it with images, be it beside texts."""
    return has_towers(config) or encodes_images(config)


def has_towers(config: Mapping[str, Any]) -> bool:
    """Whether it gives images and texts vectors of one space, each by a part of its own."""
    return compares(config) and architecture_of(config).endswith("Model")


def encodes_images(config: Mapping[str, Any]) -> bool:
    """Whether it encodes images and nothing else, as ViT, DINOv2, Swin and ConvNeXt do."""
    return "vocab_size" not in config and "text_config" not in config and any(key in config for key in _SIZES)


def sees_padding(config: Mapping[str, Any]) -> bool:
    """Whether its texts are all of one length and padding counts in them, as SigLIP and its kin were trained."""
    return str(config.get("model_type")).startswith("siglip")


def looks_at_patches(config: Mapping[str, Any]) -> bool:
    """Whether it takes the patches of images of any shape in the place of pixels, as SigLIP 2 of NaFlex does."""
    return str(config.get("model_type")).startswith("siglip2")


def finds_poses(config: Mapping[str, Any]) -> bool:
    """Whether a detector finds the points of whoever stands in a rectangle, as VitPose does."""
    return architecture_of(config).endswith("ForPoseEstimation")


def finds_together(config: Mapping[str, Any]) -> bool:
    """Whether a detector looks for all texts of its caller at once, as OWL-ViT does."""
    return config.get("model_type") in ("owlvit", "owlv2")


def finds_one_by_one(config: Mapping[str, Any]) -> bool:
    """Whether a detector by texts takes each as a sentence of its own, as Grounding DINO does."""
    return config.get("model_type") in ("grounding-dino", "mm-grounding-dino")


def pads_to_square(config: Mapping[str, Any]) -> bool:
    """Whether what a detector says of places is in parts of the image padded to a square."""
    return config.get("model_type") == "owlv2"


def reads_text(config: Mapping[str, Any]) -> bool:
    """Whether it writes the text of images token by token, as TrOCR and Donut do."""
    if config.get("model_type") != "vision-encoder-decoder":
        return False
    encoder, decoder = (part_of(config, name).get("model_type") for name in ("encoder", "decoder"))
    return decoder == "trocr" or encoder == "donut-swin"


#: Types that write of one image, which is no part of their text: what they see stands beside it or before it.
_WRITE_OF_IMAGES = frozenset({"blip", "git", "blip-2", "paligemma"})


def writes_of_images(config: Mapping[str, Any]) -> bool:
    """Whether it writes of an image what is on it, or answers a question about it, as BLIP and GIT do."""
    if config.get("model_type") == "vision-encoder-decoder":
        return not reads_text(config)
    return config.get("model_type") in _WRITE_OF_IMAGES


def reads_questions(config: Mapping[str, Any]) -> bool:
    """Whether such a model reads a question with an encoder of its own, and writes the answer alone."""
    return config.get("model_type") == "blip" and architecture_of(config).endswith("ForQuestionAnswering")


_QUERIES, _PREFIX = "blip-2", "paligemma"

MOST_PLACES = 10_000
"""Of an image in a text; models have 32 of queries, 256 to 4,096 of patches."""


def puts_images_in_places(config: Mapping[str, Any]) -> bool:
    """Whether such a model's texts begin with tokens in whose places the image stands, as BLIP-2's do."""
    return config.get("model_type") in (_QUERIES, _PREFIX)


def reads_whole_prompts(config: Mapping[str, Any]) -> bool:
    """Whether it reads image and words in both directions before it answers: by T5 behind BLIP-2, as PaliGemma does."""
    if config.get("model_type") == _PREFIX:
        return True
    return config.get("model_type") == _QUERIES and config.get("use_decoder_only_language_model") is False


def ends_prompts_with_a_line(config: Mapping[str, Any]) -> bool:
    """Whether a prompt's words are behind its first token and before the end of a line, as PaliGemma's are."""
    return config.get("model_type") == _PREFIX


def image_places(config: Mapping[str, Any]) -> tuple[int, ...]:
    """Those tokens; none of other models, and where the files tell none that can be."""
    count, token = config.get("num_query_tokens"), config.get("image_token_index", config.get("image_token_id"))
    if config.get("model_type") == _PREFIX:
        vision = part_of(config, "vision_config")
        sides = zip(sides_of(vision.get("image_size")), sides_of(vision.get("patch_size")), strict=True)
        down, across = (side // patch for side, patch in sides)
        count = down * across
    if not puts_images_in_places(config) or type(count) is not int or type(token) is not int:
        return ()
    if not 0 < count <= MOST_PLACES or token < 0:
        return ()
    return (token,) * count


WRITTEN_SLOTS = 8
"""Images of which such a model writes at a time."""

#: Tokens of an image beside those of its patches, at most: DeiT has two.
_TOKENS_BESIDE = 2


def image_states(encoder: Mapping[str, Any]) -> int:
    """The most states that an encoder makes of an image: those in stages halve both sides after each but the last.

    Args:
        encoder: its part of config.json.
    """
    depths = encoder.get("depths")
    halved = 1 << (len(depths) - 1) if isinstance(depths, list | tuple) and depths else 1
    sides, patches = sides_of(encoder.get("image_size")), sides_of(encoder.get("patch_size"))
    down, across = (-(-side // (patch * halved)) for side, patch in zip(sides, patches, strict=True))
    return down * across + _TOKENS_BESIDE


def sides_of(value: Any) -> tuple[int, int]:
    """Height and width, which files write as one number where they are alike; 1 for what is none."""
    height, width = value if isinstance(value, list | tuple) and len(value) == 2 else (value, value)
    return _side(height), _side(width)


def _side(value: Any) -> int:
    return value if type(value) is int and 0 < value < _MOST else 1


def part_of(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of a config.json; empty where it is none."""
    part = config.get(name)
    return part if isinstance(part, Mapping) else {}
