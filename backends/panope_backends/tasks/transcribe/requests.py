"""Makes jobs of the server's messages, for one loaded model of speech."""

from __future__ import annotations

from dataclasses import dataclass

from panope.worker.v1.transcribe_pb2 import TranscribeInput, TranscribeOutput
from panope_backends.api import GenerationRequest, SamplingParams
from panope_backends.errors import InvalidInputError
from panope_backends.media.limits import MediaLimits
from panope_backends.tasks.generate.tokenizer.text_encoder import TextEncoder
from panope_backends.tasks.task import Answered, Job
from panope_backends.tasks.transcribe.audio_input import UNSUPPORTED, read_audio
from panope_backends.tasks.transcribe.features import FeatureReader
from panope_backends.tasks.transcribe.job import Asked, TranscribeJob
from panope_backends.tasks.transcribe.speech_files import SpeechTokens

#: How models that are told the language of the answer name it where that is English.
_ENGLISH = ("eng", "en")


@dataclass(frozen=True)
class TranscribeRequests:
    """What makes jobs for one model.

    Attributes:
        reader: makes features of audio.
        encoder: its tokenizer.
        tokens: by which it is told what to do.
        max_positions: of its decoder.
        limits: of audio.
        has_words: whether the model, as it is loaded, tells when words were said.
    """

    reader: FeatureReader
    encoder: TextEncoder
    tokens: SpeechTokens
    max_positions: int
    limits: MediaLimits
    has_words: bool = False

    @property
    def translates(self) -> bool:
        """Whether the model translates into English."""
        return "translate" in self.tokens.tasks or bool(self._english)

    @property
    def _english(self) -> str:
        """Its own word for English, where it is told the language of the answer and knows that one."""
        return next((each for each in _ENGLISH if each in self.tokens.written), "")

    def prepare(self, data: bytes) -> Job:
        """The job of a message: decodes the audio, leaves silence out and makes features.

        Raises:
            InvalidInputError: a field of the request is wrong for this model.
        """
        message = TranscribeInput.FromString(data)
        language, task = self._language(message), self._task(message)
        context = self._context(message.prompt)
        knows_times = self.tokens.no_timestamps is not None
        if message.timestamps and not knows_times:
            raise InvalidInputError.at("timestamps", "{field}: the model tells no times", reason=UNSUPPORTED)
        self._check_words(message)
        audio = read_audio(message, self.reader.rate, self.limits)
        if not audio.samples.size:
            nothing = TranscribeOutput(language=message.language, duration=audio.clock.duration)
            return Answered(nothing.SerializeToString())
        duration = audio.samples.size / self.reader.rate
        asked = Asked(
            context,
            language,
            task,
            knows_times and (message.timestamps or message.words or duration > self.reader.window_seconds),
            SamplingParams(temperature=message.temperature, seed=message.seed if message.HasField("seed") else None),
            message.stream,
            message.words,
        )
        features, window = self.reader.read(audio.samples), self.reader.window_seconds
        return TranscribeJob(features, duration, window, asked, self.tokens, self.encoder.decode, audio.clock)

    def _check_words(self, message: TranscribeInput) -> None:
        if not message.words or self.has_words:
            return
        why = "the model tells no times"
        if self.tokens.no_timestamps is not None:
            why = "generation_config.json tells no `alignment_heads` of the model, by which words are placed"
        raise InvalidInputError.at("words", "{field}: " + why, reason=UNSUPPORTED)

    def _language(self, message: TranscribeInput) -> int | None:
        if self.tokens.written:
            return self.tokens.written[self._written(message)]
        code = message.language.lower()
        known = self.tokens.languages
        if not code or (not known and code == "en" and self.tokens.previous is not None):  # Whisper's `.en`
            return None
        if code not in known:
            raise InvalidInputError.at(
                "language",
                "{field} is none of the model's: {known}" if known else "{field}: the model has no choice of languages",
                known=", ".join(sorted(known)),
                reason="" if known else UNSUPPORTED,
            )
        return known[code]

    def _written(self, message: TranscribeInput) -> str:
        """The language of the answer, for a model that must be told."""
        known, code, english = self.tokens.written, message.language.lower(), self._english
        if message.translate and english:
            if code not in ("", english):
                raise InvalidInputError.at(
                    "language", "{field} is the language of the answer, and a translation's is `{code}`", code=english
                )
            return english
        if code not in known:
            raise InvalidInputError.at(
                "language",
                "{field} must tell the model in which language it answers, one of: {known}",
                known=", ".join(sorted(known)),
            )
        return code

    def _task(self, message: TranscribeInput) -> int | None:
        if message.translate and self._english:
            return None  # it is told by the language of the answer
        wanted = "translate" if message.translate else "transcribe"
        if message.translate and wanted not in self.tokens.tasks:
            raise InvalidInputError.at("translate", "{field}: the model does not translate", reason=UNSUPPORTED)
        return self.tokens.tasks.get(wanted)

    def _context(self, prompt: str) -> tuple[int, ...]:
        """The last tokens of a prompt, as many as leave half of the positions to what is written."""
        if not prompt.strip():
            return ()
        if self.tokens.previous is None:
            raise InvalidInputError.at("prompt", "{field}: the model takes none", reason=UNSUPPORTED)
        ids = self.encoder.encode(f" {prompt.strip()}", add_special_tokens=False)
        return (self.tokens.previous, *ids[-(self.max_positions // 2 - 1) :])


def trial_request(reader: FeatureReader, tokens: SpeechTokens) -> GenerationRequest:
    """A second of silence, and one token of what is heard in it."""
    import numpy as np

    from panope_backends.api import SourceFeatures

    silence = reader.read(np.zeros(reader.rate, np.float32))
    features = SourceFeatures(silence.window(0.0, 1.0))
    return GenerationRequest(id=0, features=features, decoder_token_ids=(tokens.start,), max_tokens=1)
