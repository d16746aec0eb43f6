"""How `speak` models are loaded, and which requests they answer."""

from __future__ import annotations

from panope.worker.v1 import speak_pb2 as messages
from panope_backends.model_facts.audio_models import SPEECHT5
from panope_backends.tasks.graphs.loading import is_described
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.speak.graph_voice import GraphVoice
from panope_backends.tasks.speak.job import SpeakRequests
from panope_backends.tasks.speak.speecht5 import SpeechT5Voice
from panope_backends.tasks.speak.vits import VitsVoice
from panope_backends.tasks.speak.voice import Voice
from panope_backends.tasks.task import LoadedTask, ModelSource, TaskModule


class SpeakModule(TaskModule):
    """Loads a model that turns characters, or phonemes, into a waveform."""

    name = "speak"

    def load(self, source: ModelSource) -> LoadedTask:
        """Loads the model and speaks a sign or a few."""
        voice = _voice_of(source)
        try:
            voice.speak(voice.trial_tokens(), 0, 1.0, 0)
        except BaseException:  # whatever it was, the memory is free for the next candidate
            voice.model.close()
            raise
        facts = messages.SpeakFacts(voices=voice.names, takes_phonemes=voice.takes_phonemes, signs=voice.signs)
        requests = {self.name: SpeakRequests(voice).prepare}
        return LoadedTask(voice.model, {}, requests, facts=facts.SerializeToString(), prepares_long=True)


def _voice_of(source: ModelSource) -> Voice:
    if is_described(source.folder):
        return GraphVoice(source)
    kind = read_json(source.folder / "config.json").get("model_type")
    return SpeechT5Voice(source) if kind == SPEECHT5 else VitsVoice(source)
