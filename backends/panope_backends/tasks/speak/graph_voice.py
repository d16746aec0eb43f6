"""Graphs that `panope.json` describes as voices, such as Piper's and Kokoro's: they speak phonemes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.api import Arrays
from panope_backends.errors import Field, InternalError, InvalidInputError, PreconditionError
from panope_backends.graphs.terms import FILE
from panope_backends.graphs.voice_description import PhonemeTable, VoiceDescription, described_ids
from panope_backends.media.audio import Samples
from panope_backends.tasks.graphs.loading import read_folder
from panope_backends.tasks.speak.phonemes.espeak import Phonemizer
from panope_backends.tasks.speak.voice import DEFAULT_VOICE, Voice
from panope_backends.tasks.task import ModelSource

#: Signs that a refusal names.
_NAMED = 5
#: Signs that a model is measured with, and that it is tried with.
_SIGNS, _TRIED = 24, 3

Styles = dict[str, NDArray[np.float32]]
"""Of each voice, lengths × width."""


class GraphVoice(Voice):
    """A graph of phonemes.

    Args:
        source: of the model.

    Raises:
        PreconditionError: its description says what is not known here, or does not go with the graph.
    """

    takes_phonemes = True
    takes_seeds = False  # the graph draws its noise by itself

    def __init__(self, source: ModelSource) -> None:
        described = read_folder(source.folder)
        if not isinstance(described, VoiceDescription):
            raise PreconditionError(f"{FILE} describes a model of another task", reason="unsupported_model")
        self._described = described
        self.rate = described.sample_rate
        self.takes_speed = bool(described.input.speed or described.input.scales)
        self._styles = _read_styles(source.folder / described.styles) if described.styles else {}
        self.names = list(self._styles) or described.voices or [DEFAULT_VOICE]
        self.signs = _some_signs(described.phonemes)
        self._phonemizer = Phonemizer(described.language) if described.language else None
        self.model = source.load({})
        try:
            self._types = {spec.name: spec.dtype for spec in self.model.inputs}
            self._output = self._output_of(described)
            self._check_inputs(described)
        except BaseException:
            self.model.close()
            raise

    def tokens(self, sentence: str, *, is_ipa: bool) -> NDArray[np.int64]:
        """By the table; of a text eSpeak NG makes phonemes, of which those are left out that the model has not."""
        table = self._described.phonemes
        if is_ipa:
            ids, unknown = described_ids(table, sentence)
            if unknown:
                raise InvalidInputError.at(
                    "text",
                    "{field} has signs that are no phonemes of the model: {signs}",
                    signs=" ".join(dict.fromkeys(unknown[:_NAMED])),
                )
        elif self._phonemizer is None:
            raise InvalidInputError.at(
                "text",
                "{field}: the model speaks phonemes, and panope.json names no `language` to make them of texts; send"
                " phonemes, with {other} `ipa`",
                other=Field("input_format"),
                reason="unsupported_field",
            )
        else:
            ids, _ = described_ids(table, self._phonemizer.phonemes(sentence))
        if not ids:
            return np.zeros((1, 0), np.int64)
        return np.array([[*table.begin, *(table.between if table.begin else []), *ids, *table.end]], np.int64)

    def trial_tokens(self) -> NDArray[np.int64]:
        """The first letters of the table."""
        return self.tokens(self.signs[:_TRIED], is_ipa=True)

    def speak(self, tokens: NDArray[np.int64], voice: int, speed: float, seed: int) -> Samples:
        """Runs the graph."""
        del seed
        names, scales = self._described.input, self._described.scales
        given: dict[str, Any] = {names.tokens: tokens}
        if names.lengths:
            given[names.lengths] = [tokens.shape[1]]
        if names.scales:
            length = scales.length / (1 if names.speed else speed)
            given[names.scales] = [scales.noise, length, scales.noise_width]
        if names.speed:
            given[names.speed] = [speed]
        if names.speaker:
            given[names.speaker] = [voice]
        if names.style:
            given[names.style] = self._style(voice, tokens.shape[1])
        arrays: Arrays = {name: np.asarray(value, self._types[name]) for name, value in given.items()}
        samples: Samples = np.asarray(self.model.run(arrays, (self._output,))[self._output], np.float32).reshape(-1)
        if not np.isfinite(samples).all():
            raise InternalError("the model gave values that are no numbers")
        return samples

    def _style(self, voice: int, count: int) -> NDArray[np.float32]:
        """Of a voice, for so many ids; those around the phonemes are none of these."""
        table, styles = self._described.phonemes, self._styles[self.names[voice]]
        spoken = max(0, count - len(table.begin) - len(table.end))
        style: NDArray[np.float32] = styles[min(spoken, len(styles) - 1)]
        return style[None]

    def _output_of(self, described: VoiceDescription) -> str:
        known = [spec.name for spec in self.model.outputs]
        wanted = described.output.waveform or (known[0] if len(known) == 1 else "")
        if wanted not in known:
            raise PreconditionError(f"{FILE} names the output `{wanted}`; the graph gives {', '.join(known)[:200]}")
        return wanted

    def _check_inputs(self, described: VoiceDescription) -> None:
        names = described.input
        told = [names.tokens, names.lengths, names.scales, names.speed, names.style, names.speaker]
        wanted = {name for name in told if name}
        if wanted != set(self._types):
            given = ", ".join(self._types)[:200]
            raise PreconditionError(f"{FILE} describes the inputs {', '.join(sorted(wanted))}; the graph takes {given}")


def _some_signs(table: PhonemeTable) -> str:
    """The first letters of a table; of one that has none, whatever it has."""
    letters = [sign for sign in table.ids if sign.isalpha()]
    return "".join((letters or list(table.ids))[:_SIGNS])


def _read_styles(file: Path) -> Styles:
    """The styles of each voice.

    Raises:
        PreconditionError: there is no such file, or it holds none.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        found = load_file(file)
    except (OSError, SafetensorError) as error:
        raise PreconditionError(
            f"the model has no readable file `{file.name}` of styles", reason="missing_file"
        ) from error
    styles: Styles = {}
    for name, values in found.items():
        table = values[:, 0] if values.ndim == 3 and values.shape[1] == 1 else values
        if table.ndim != 2 or not table.size or not np.isfinite(table).all():
            raise PreconditionError(f"the styles of `{name[:64]}` are no table of numbers", reason="unsupported_model")
        styles[name] = table.astype(np.float32)
    if not styles:
        raise PreconditionError(f"`{file.name}` has no voices", reason="unsupported_model")
    return styles
