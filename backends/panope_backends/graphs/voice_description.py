"""What `panope.json` says of a graph that speaks: which ids phonemes have, and what the graph takes beside them."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from panope_backends.graphs.terms import DescriptionError, Name, check_texts

_Id = Annotated[int, Meta(ge=0, lt=1 << 31)]
_Ids = Annotated[list[_Id], Meta(max_length=16)]
_Scale = Annotated[float, Meta(ge=0, le=10)]

#: Signs of a table: IPA, its marks, and what models have beside them.
_MAX_SIGNS = 4096


class PhonemeTable(Struct, forbid_unknown_fields=True):
    """How phonemes become ids.

    Attributes:
        ids: of each sign of IPA, mark or space.
        begin: ids before the first sign.
        between: ids behind those of the beginning and behind each sign.
        end: ids behind the last.
    """

    ids: Annotated[
        dict[Annotated[str, Meta(min_length=1, max_length=8)], _Ids], Meta(min_length=1, max_length=_MAX_SIGNS)
    ]
    begin: _Ids = msgspec.field(default_factory=list)
    between: _Ids = msgspec.field(default_factory=list)
    end: _Ids = msgspec.field(default_factory=list)


class VoiceInputs(Struct, forbid_unknown_fields=True):
    """The names of a graph's inputs; empty for those that it has not.

    Attributes:
        tokens: ids, int64 `[1, n]`.
        lengths: their number, int64 `[1]`.
        scales: float32 `[3]`: of noise, of length, of the noise of lengths.
        speed: float32 `[1]`.
        style: float32 `[1, width]`, of a voice and the number of phonemes.
        speaker: int64 `[1]`, the number of a voice.
    """

    tokens: Name
    lengths: str = ""
    scales: str = ""
    speed: str = ""
    style: str = ""
    speaker: str = ""


class Scales(Struct, frozen=True, forbid_unknown_fields=True):
    """What a VITS is run with.

    Attributes:
        noise: of the sound; 0 for the same each time, where `noise_width` is 0 too.
        length: longer than 1 is slower.
        noise_width: of lengths.
    """

    noise: _Scale = 0.667
    length: Annotated[float, Meta(gt=0, le=10)] = 1.0
    noise_width: _Scale = 0.8


class Waveform(Struct, forbid_unknown_fields=True):
    """The graph's output: samples of one text, about -1 to 1.

    Attributes:
        decoder: always `waveform`.
        waveform: the name of the output; empty for the graph's only one.
    """

    decoder: Literal["waveform"]
    waveform: str = ""


class VoiceDescription(Struct, forbid_unknown_fields=True):
    """A graph that speaks phonemes.

    Attributes:
        version: of this form.
        task: always `speak`.
        sample_rate: of what it speaks, in a second.
        input: the names of its inputs.
        output: the name of its output.
        phonemes: which ids they have.
        language: eSpeak NG's name of the voice that makes phonemes of texts, such as `en-us`; empty where texts are
            refused.
        scales: with `input.scales`.
        styles: with `input.style`, a file in safetensors beside this one: for each voice a tensor of a style for each
            number of phonemes, lengths × width or lengths × 1 × width.
        voices: with `input.speaker`, the names of the speakers, by their numbers.
    """

    version: Literal[1]
    task: Literal["speak"]
    sample_rate: Annotated[int, Meta(ge=1_000, le=192_000)]
    input: VoiceInputs
    output: Waveform
    phonemes: PhonemeTable
    language: Annotated[str, Meta(max_length=32, pattern=r"^[a-z0-9-]*\Z")] = ""
    scales: Scales = Scales()
    styles: Annotated[str, Meta(max_length=128, pattern=r"^([A-Za-z0-9_-]+\.safetensors)?\Z")] = ""
    voices: Annotated[list[Name], Meta(max_length=10_000)] = msgspec.field(default_factory=list)

    @property
    def architecture(self) -> str:
        """What stands in the place of a class of a library: the decoder's name."""
        return self.output.decoder


def check_voice(found: VoiceDescription) -> None:
    """Refuses what does not go together.

    Raises:
        DescriptionError: names the key.
    """
    if bool(found.styles) != bool(found.input.style):
        raise DescriptionError("`styles` and `input.style` go together")
    if bool(found.voices) != bool(found.input.speaker):
        raise DescriptionError("`voices` and `input.speaker` go together")
    if found.voices and found.styles:
        raise DescriptionError("`voices` and `styles` are two ways to name voices; give one")
    if len(set(found.voices)) != len(found.voices):
        raise DescriptionError("`voices` has a name twice")
    check_texts(found.voices, "voices")


def described_ids(table: PhonemeTable, phonemes: str) -> tuple[list[int], list[str]]:
    """The ids of phonemes, without those around them, sign by sign; and the signs that the table has not.

    A sign that is composed, as `ç` is, may be in the table as one or by its parts.

    Args:
        table: of the model.
        phonemes: to speak.
    """
    ids: list[int] = []
    unknown: list[str] = []
    for sign in unicodedata.normalize("NFC", phonemes):
        parts = [sign] if sign in table.ids else list(unicodedata.normalize("NFD", sign))
        for part in parts:
            if part in table.ids:
                ids += table.ids[part]
                ids += table.between
            else:
                unknown.append(part)
    return ids, unknown
