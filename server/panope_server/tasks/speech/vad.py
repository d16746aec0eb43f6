"""What counts as speech, for whatever asks the detector of voice activity."""

from __future__ import annotations

from dataclasses import dataclass

from panope_backends.errors import InvalidInputError

FIELD = "vad_options"
"""The field of requests that holds it."""


@dataclass(frozen=True, slots=True)
class VadOptions:
    """What counts as speech; the defaults are those of transcriptions, as of silero-vad and of faster-whisper.

    Attributes:
        threshold: the probability from which a moment is speech.
        min_silence_seconds: shorter silence does not part speech.
        padding_seconds: kept, or told, before and after speech.
        min_speech_seconds: shorter speech is none.
    """

    threshold: float = 0.5
    min_silence_seconds: float = 2.0
    padding_seconds: float = 0.4
    min_speech_seconds: float = 0.0


OF_DETECTION = VadOptions(0.5, 0.1, 0.0, 0.25)
"""The defaults where speech is looked for: those of silero-vad, without what it tells around speech."""


@dataclass(frozen=True, slots=True)
class VadLimits:
    """What the seconds may be.

    Attributes:
        min_silence: from this on.
        max_silence: of `min_silence_seconds`.
        max_padding: of `padding_seconds`.
        max_speech: of `min_speech_seconds`.
    """

    min_silence: float = 0.0
    max_silence: float = 60.0
    max_padding: float = 10.0
    max_speech: float = 60.0


OF_FILES = VadLimits()


def check_vad(options: VadOptions, limits: VadLimits = OF_FILES) -> None:
    """Refuses what is out of bounds, what is no number included.

    Raises:
        InvalidInputError: names the field, below `vad_options`.
    """
    if not 0 < options.threshold < 1:
        raise InvalidInputError.at(f"{FIELD}.threshold", "{field} must be above 0 and below 1")
    for name, value, least, most in (
        ("min_silence_seconds", options.min_silence_seconds, limits.min_silence, limits.max_silence),
        ("padding_seconds", options.padding_seconds, 0.0, limits.max_padding),
        ("min_speech_seconds", options.min_speech_seconds, 0.0, limits.max_speech),
    ):
        if not least <= value <= most:
            raise InvalidInputError.at(
                f"{FIELD}.{name}", "{field} must be from {least:g} to {most:g}", least=least, most=most
            )
