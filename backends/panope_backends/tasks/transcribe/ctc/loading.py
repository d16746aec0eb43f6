"""How CTC models are loaded, and which requests they answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from panope.worker.v1.transcribe_pb2 import TranscribeFacts, TranscribeInput, TranscribeOutput
from panope_backends.api import FeatureSpec, TensorModel
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.media.limits import MediaLimits
from panope_backends.media.processors import import_transformers
from panope_backends.model_facts.audio_models import frame_grid
from panope_backends.tasks.detect_speech.requests import speech_detection
from panope_backends.tasks.task import Answered, Job, LoadedTask, ModelSource
from panope_backends.tasks.transcribe.audio_input import UNSUPPORTED, read_audio
from panope_backends.tasks.transcribe.ctc.job import INPUT, OUTPUT, CtcJob, CtcListener
from panope_backends.tasks.transcribe.ctc.vocabulary import CtcVocabulary
from panope_backends.tasks.transcribe.features import FeatureReader


def load_listener(source: ModelSource, config: Mapping[str, Any], model: TensorModel) -> LoadedTask:
    """Completes a loaded model, and runs it on a second of silence.

    Raises:
        PreconditionError: its files describe no model with a CTC head over waveforms.
    """
    if INPUT not in {each.name for each in model.inputs} or OUTPUT not in {each.name for each in model.outputs}:
        raise PreconditionError(f"the model does not make `{OUTPUT}` of `{INPUT}`", reason="unsupported_model")
    try:
        known = import_transformers().AutoConfig.from_pretrained(
            source.folder, local_files_only=True, trust_remote_code=False
        )
    except PreconditionError:
        raise
    except Exception as error:  # files are checked by errors of no family
        raise PreconditionError("transformers refuses config.json", reason="load_failed") from error
    reader = FeatureReader(source.folder, FeatureSpec((-1,)))
    listener = CtcListener(model, reader, CtcVocabulary(source.folder), frame_grid(known))
    listener.logits(np.zeros(max(reader.rate, listener.grid.least), np.float32))
    requests = CtcRequests(listener, source.media_limits)
    facts = TranscribeFacts(has_timestamps=True, slots=1, has_words=True)
    answered = {"transcribe": requests.prepare, **speech_detection(source)}
    return LoadedTask(model, config, answered, facts=facts.SerializeToString(), prepares_long=True)


@dataclass(frozen=True)
class CtcRequests:
    """What makes jobs for one model.

    Attributes:
        listener: of the model.
        limits: of audio.
    """

    listener: CtcListener
    limits: MediaLimits

    def prepare(self, data: bytes) -> Job:
        """The job of a message: decodes the audio and leaves silence out.

        Raises:
            InvalidInputError: a field of the request is wrong for this model.
        """
        message = TranscribeInput.FromString(data)
        _check(message)
        audio = read_audio(message, self.listener.reader.rate, self.limits)
        if audio.samples.size < self.listener.grid.least:
            return Answered(TranscribeOutput(duration=audio.clock.duration).SerializeToString())
        return CtcJob(self.listener, audio, parts=message.timestamps, tells_words=message.words)


def _check(message: TranscribeInput) -> None:
    """Refuses by name what letters told frame by frame have no use for."""
    for field, is_given, why in (
        ("language", bool(message.language), "the model has no choice of languages"),
        ("translate", message.translate, "the model does not translate"),
        ("prompt", bool(message.prompt.strip()), "the model takes none"),
        ("temperature", message.temperature > 0, "the model draws no tokens: it tells the likeliest letters, as at 0"),
        ("seed", message.HasField("seed"), "the model draws no tokens, so its answers are the same each time"),
    ):
        if is_given:
            raise InvalidInputError.at(field, "{field}: " + why, reason=UNSUPPORTED)
