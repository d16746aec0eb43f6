"""SpeechT5 of transformers as voices: it speaks characters, with the voices of the vectors that lie beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.api import Arrays
from panope_backends.errors import InternalError, InvalidInputError, PreconditionError
from panope_backends.media.audio import Samples
from panope_backends.media.processors import import_transformers
from panope_backends.model_facts.audio_models import SPEAKERS, VOCODER
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.speak.voice import Voice
from panope_backends.tasks.task import ModelSource

_MOST_VOICES = 10_000


class SpeechT5Voice(Voice):
    """A SpeechT5.

    Args:
        source: of the model.

    Raises:
        PreconditionError: its files describe none that is spoken here.
    """

    takes_speed = False

    def __init__(self, source: ModelSource) -> None:
        config = read_json(source.folder / "config.json")
        rate = read_json(source.folder / VOCODER / "config.json", missing_ok=True).get("sampling_rate", 16_000)
        if type(rate) is not int or not 1_000 <= rate <= 192_000:
            raise PreconditionError("the vocoder has a `sampling_rate` that is none", reason="unsupported_model")
        self.rate = rate
        self.model = source.load(config)
        try:
            width = next(spec.shape[1] for spec in self.model.inputs if spec.name == "speaker")
            self._speakers = _read_speakers(source.folder / SPEAKERS, width)
            self.names = list(self._speakers)
            self._tokenizer = _tokenizer_of(source.folder)
            self._most = _positions(config)
        except BaseException:
            self.model.close()
            raise

    def tokens(self, sentence: str, *, is_ipa: bool) -> NDArray[np.int64]:
        """By transformers' tokenizer, a character each."""
        assert not is_ipa
        ids = self._tokenizer(sentence)["input_ids"]
        known = {*ids} - {self._tokenizer.unk_token_id, *self._tokenizer.all_special_ids, self._space}
        if not known:
            return np.zeros((1, 0), np.int64)
        if len(ids) > self._most:
            raise InvalidInputError.at(
                "text",
                "{field} has a sentence of {count} characters; the model speaks {limit} at once",
                count=len(ids),
                limit=self._most,
            )
        return np.array([ids], np.int64)

    @property
    def _space(self) -> int:
        """The token between words."""
        return int(self._tokenizer.convert_tokens_to_ids("▁"))

    def trial_tokens(self) -> NDArray[np.int64]:
        """A word."""
        tokens = self.tokens("a", is_ipa=False)
        return tokens if tokens.size else np.array([[self._tokenizer.eos_token_id]], np.int64)

    def speak(self, tokens: NDArray[np.int64], voice: int, speed: float, seed: int) -> Samples:
        """Runs the model, and its vocoder."""
        assert speed == 1
        arrays: Arrays = {
            "input_ids": tokens,
            "speaker": self._speakers[self.names[voice]][None],
            "seed": np.array([seed], np.int64),
        }
        samples: Samples = self.model.run(arrays)["waveform"][0]
        if not np.isfinite(samples).all():
            raise InternalError("the model gave values that are no numbers")
        return samples


def _tokenizer_of(folder: Path) -> Any:
    try:
        return import_transformers().SpeechT5Tokenizer.from_pretrained(folder, local_files_only=True)
    except PreconditionError:
        raise
    except Exception as error:  # files are checked by errors of no family
        raise PreconditionError("the files describe no tokenizer of SpeechT5", reason="load_failed") from error


def _positions(config: Mapping[str, Any]) -> int:
    value = config.get("max_text_positions", 450)  # the default of SpeechT5Config
    if type(value) is not int or value < 1:
        raise PreconditionError("config.json has `max_text_positions` that are none", reason="unsupported_model")
    return value


def _read_speakers(file: Path, width: int) -> dict[str, NDArray[np.float32]]:
    """The vector of each voice.

    Raises:
        PreconditionError: there is no such file, or it holds none of this width.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        found = load_file(file)
    except (OSError, SafetensorError) as error:
        raise PreconditionError(
            f"the model has no readable file `{file.name}`, which holds a vector of {width} numbers for each voice",
            reason="missing_file",
        ) from error
    speakers = {name: values.astype(np.float32).reshape(-1) for name, values in sorted(found.items())}
    wrong = next((name for name, values in speakers.items() if values.size != width), "")
    if wrong or not 0 < len(speakers) <= _MOST_VOICES or not all(np.isfinite(each).all() for each in speakers.values()):
        raise PreconditionError(
            f"`{file.name}` does not hold a vector of {width} numbers for each of 1 to {_MOST_VOICES:,} voices",
            reason="unsupported_model",
        )
    return speakers
