"""What is known of an encoder-decoder without its weights: whether it can be loaded, and how far it reaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from panope_backends.api import Level, ModelFacts, Support
from panope_backends.engines.torch.pretrained import files_refusal
from panope_backends.model_facts.image_models import (
    MOST_PLACES,
    image_places,
    puts_images_in_places,
    reads_questions,
    sides_of,
    writes_of_images,
)

#: Types whose encoder reads features of audio.
_SPEECH = frozenset({"whisper", "moonshine", "speech_to_text", "seamless_m4t", "seamless_m4t_v2"})

#: Those of them whose files have an encoder of texts too; which of both is run is said by the task.
_READS_BOTH = frozenset({"seamless_m4t", "seamless_m4t_v2"})

SOUND_SECONDS = 64
"""Of one source at most, for encoders that read as much as comes: of waveforms, and of spectra without a window."""

FRAMES_A_SECOND = 100
"""Of spectra: one each 10 ms, as Kaldi and Whisper make them."""

#: States that such an encoder makes of a second.
_STATES_A_SECOND = 42

TRANSCRIBE = "transcribe"
"""The task whose encoders read audio."""

READ_TEXT = "ocr"
"""The task whose encoders read images of texts."""

GENERATE = "generate"
"""The task whose encoders read texts, or images to write of."""

#: Types whose decoders, or encoders, compute attention by themselves, which transformers' other ways do not reach.
_OWN_ATTENTION = frozenset({"bigbird_pegasus", "fsmt", "led", "longt5", "mvp", "pegasus_x"})

#: Types that are two models of other types, each with a configuration of its own; the second reads no texts.
_COMPOSED = frozenset({"encoder-decoder", "speech-encoder-decoder"})
_READS_OTHERS = frozenset({"speech-encoder-decoder"})
_VISION = "vision-encoder-decoder"

#: Where the configuration names no end and positions are distances alone: what mT5 was trained on.
_USUAL = 1024

#: What configurations call the positions of a decoder.
_POSITIONS = ("max_target_positions", "max_decoder_position_embeddings", "max_position_embeddings", "n_positions")


def encoder_decoder_refusal(model: ModelFacts) -> str:
    """Why a model does not run as an encoder with a paged decoder; empty when it may, which a trial then shows."""
    return loading_refusal(model) or rerun_reason(model.config)


def loading_refusal(model: ModelFacts) -> str:
    """Why a model is not loaded as an encoder-decoder at all; empty when it may be."""
    kind = model.config.get("model_type")
    if refusal := files_refusal(model, auto_class(model)):
        return refusal
    if model.task == GENERATE and writes_of_images(model.config):
        if puts_images_in_places(model.config) and not image_places(model.config):
            return (
                "config.json tells no `image_token_index`, or not how many of it stand for an image, "
                f"1 to {MOST_PLACES:,}: `num_query_tokens`, or the patches of `vision_config`"
            )
        return ""
    if model.task == TRANSCRIBE and not is_speech(kind):
        return f"models of the type {str(kind)[:64]!r} are not run on speech; those are: {', '.join(sorted(_SPEECH))}"
    if kind == "prophetnet":
        return "models of the type `prophetnet` say of a text what changes with what comes after it"
    if kind in _READS_OTHERS or (kind == _VISION and model.task != READ_TEXT):
        return f"models of the type `{kind}` are composed of two others, of which the first reads no texts"
    if model.task == READ_TEXT:
        return "" if kind == _VISION else f"models of the type {str(kind)[:64]!r} do not read the text in images"
    if model.config.get("share_encoder_decoder_embeddings") is False or len(_vocabularies(model.config)) > 1:
        return "its encoder and its decoder have vocabularies of their own"
    return ""


def rerun_reason(config: Mapping[str, Any]) -> str:
    """Why the decoder runs the whole text anew at each step; empty where it need not."""
    kind = config.get("model_type")
    if kind != _VISION and writes_of_images(config):
        return f"models of the type `{kind}` look at images by code of their own, without pages"
    if kind in _OWN_ATTENTION:
        return f"models of the type `{kind}` compute attention by themselves, without pages"
    if kind in _COMPOSED:
        return f"models of the type `{kind}` are composed of two others"
    if kind == "switch_transformers":
        return (
            "its experts pass over tokens where a step has many, so that answers would depend on what runs beside them"
        )
    return ""


def _vocabularies(config: Mapping[str, Any]) -> set[object]:
    """Their sizes, where the parts of a model say them."""
    parts = [part for name in ("encoder", "decoder") if isinstance(part := config.get(name), Mapping)]
    texts = [text if isinstance(text := part.get("text_config"), Mapping) else part for part in parts]
    return {text["vocab_size"] for text in texts if "vocab_size" in text}


def encoder_decoder_support(model: ModelFacts) -> Support:
    """Says from facts alone whether PyTorch runs an encoder-decoder."""
    if refusal := loading_refusal(model):
        return Support(Level.NONE, refusal)
    if reason := rerun_reason(model.config):
        return Support(Level.PARTIAL, f"PyTorch runs each text anew for each token: {reason}")
    return Support(Level.FULL, "PyTorch runs the encoder, and the decoder with paged attention")


def max_length(config: Any) -> int:
    """The most tokens of the decoder, and of a source of which the configuration says nothing of its own.

    Args:
        config: the configuration as transformers has it.
    """
    config = decoder_config(config)
    parts = [part for name in ("encoder", "decoder") if hasattr(part := getattr(config, name, None), "model_type")]
    if parts:
        return min(map(max_length, parts))
    return _first_of(config, _POSITIONS) or _USUAL


def text_length(config: Any) -> int:
    """The most tokens of a source that is a text.

    LED fills the last window of its attention, and what fills it takes positions as well.
    """
    positions = _first_of(config, ("max_encoder_position_embeddings",)) or max_length(config)
    windows = getattr(config, "attention_window", 1)
    window = max(windows) if isinstance(windows, list | tuple) else int(windows)
    return positions // window * window


def _first_of(config: Any, names: Sequence[str]) -> int:
    values = (getattr(config, name, 0) for name in names)
    return next((value for value in values if type(value) is int and value > 0), 0)


def decoder_config(config: Any) -> Any:
    """The part of a configuration that is about the decoder: of a composed model its own, else all of it."""
    return config.decoder if reads_images(config) else config


def states_width(config: Any) -> int:
    """The width of what the encoder gives."""
    # T5Gemma and its kin have configurations of their own for what reads and what answers, too.
    own = reads_images(config) or not hasattr(config, "hidden_size")
    return int((config.encoder.get_text_config() if own else config).hidden_size)


def reads_images(config: Any) -> bool:
    """Whether the encoder of a configuration, as transformers has it, reads images."""
    return str(config.model_type) == _VISION


def image_shape(config: Any) -> tuple[int, int, int]:
    """What such an encoder, or a vision tower, reads: channels, height and width."""
    vision = config.encoder if reads_images(config) else config.vision_config
    height, width = sides_of(vision.image_size)
    return int(getattr(vision, "num_channels", 3)), height, width


def reads_text(model: ModelFacts) -> bool:
    """Whether a model writes the text of images token by token; others of the task are graphs."""
    return model.task == READ_TEXT and is_encoder_decoder(model.config)


def is_transcriber(model: ModelFacts) -> bool:
    """Whether a model transcribes speech token by token; others of the task tell letters by time."""
    return model.task == TRANSCRIBE and is_encoder_decoder(model.config)


def source_length(config: Any) -> int:
    """The most states that an encoder of speech makes of a source."""
    if bands_of(config):
        states = SOUND_SECONDS * FRAMES_A_SECOND
        stride = int(getattr(config, "adaptor_stride", 2))
        for _ in range(int(getattr(config, "num_adapter_layers", 0) or config.num_conv_layers)):
            states = states // stride + 1  # each makes one of so many, and reads beyond the ends
        return states
    states = getattr(config, "max_source_positions", 0)
    return states if type(states) is int and states > 0 else SOUND_SECONDS * _STATES_A_SECOND


def bands_of(config: Any) -> int:
    """Of each frame of a spectrum that is read as long as it is, as Speech2Text does; 0 where it is not."""
    if stacked := _first_of(config, ("feature_projection_input_dim",)):
        return stacked
    bands = _first_of(config, ("input_feat_per_channel",))
    return bands * int(config.input_channels) if bands else 0


def is_speech(kind: object) -> bool:
    """Whether the encoders of a model type read audio."""
    return kind in _SPEECH


def reads_both(config: Mapping[str, Any]) -> bool:
    """Whether a model has an encoder of audio and one of texts."""
    return config.get("model_type") in _READS_BOTH


def auto_class(model: ModelFacts) -> str:
    """The one of transformers' auto classes that loads a model."""
    kind = model.config.get("model_type")
    if reads_questions(model.config):
        return "AutoModelForVisualQuestionAnswering"
    if kind == _VISION or writes_of_images(model.config):
        return "AutoModelForImageTextToText"
    hears = model.task == TRANSCRIBE if reads_both(model.config) else is_speech(kind)
    return "AutoModelForSpeechSeq2Seq" if hears else "AutoModelForSeq2SeqLM"


def is_encoder_decoder(config: Mapping[str, Any]) -> bool:
    """Whether a parsed config.json is one's; what reads an image and writes of it is one, whatever it calls itself."""
    return config.get("is_encoder_decoder") is True or writes_of_images(config)
