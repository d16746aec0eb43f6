"""How `transcribe` models are loaded, and which requests they answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from panope.worker.v1 import transcribe_pb2 as messages
from panope.worker.v1.generate_pb2 import GenerateSettings
from panope_backends.api import (
    AlignableModel,
    EncoderDecoderModel,
    LoadedModel,
    LoadOptions,
    TensorModel,
)
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.generation import Decoding, GenerationEngine, GenerationSettings
from panope_backends.generation.text.vocabulary import TokenVocabulary
from panope_backends.tasks.detect_speech.requests import speech_detection
from panope_backends.tasks.generate.loading.cache_memory import memory_for
from panope_backends.tasks.generate.loading.engine import allocate
from panope_backends.tasks.generate.loading.trial import run_to_end
from panope_backends.tasks.generate.tokenizer.prepared_tokenizer import prepared_tokenizer
from panope_backends.tasks.generate.tokenizer.text_encoder import TextEncoder
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.task import LoadedTask, ModelSource, TaskModule
from panope_backends.tasks.transcribe.ctc.loading import load_listener
from panope_backends.tasks.transcribe.features import FeatureReader
from panope_backends.tasks.transcribe.requests import TranscribeRequests, trial_request
from panope_backends.tasks.transcribe.speech_files import SpeechTokens, read_speech_tokens


class TranscribeModule(TaskModule):
    """Loads an encoder-decoder whose encoder reads audio, or a model with a CTC head."""

    name = "transcribe"

    def load(self, source: ModelSource) -> LoadedTask:
        """Loads the model and transcribes a second of silence."""
        settings = messages.TranscribeSettings.FromString(source.settings)
        config = read_json(source.folder / "config.json", missing_ok=True)
        loaded = source.load_any(config, options=LoadOptions(slots=settings.slots))
        try:
            if isinstance(loaded, TensorModel):
                return load_listener(source, config, loaded)
            return _complete(source, settings, config, loaded)
        except BaseException:  # whatever it was, the memory is free for the next candidate
            loaded.close()
            raise


def _complete(
    source: ModelSource, settings: messages.TranscribeSettings, config: Mapping[str, Any], loaded: LoadedModel
) -> LoadedTask:
    if not isinstance(loaded, EncoderDecoderModel) or loaded.source.features is None:
        raise PreconditionError("the backend does not load this model to read speech", reason="unsupported_model_kind")
    encoder = TextEncoder(prepared_tokenizer(source.folder, source.cache_folder))
    special = encoder.tokenizer.get_added_tokens_decoder()
    tokens = read_speech_tokens(source.folder, config, {each.content: number for number, each in special.items()})
    reader = FeatureReader(source.folder, loaded.source.features)
    wanted = GenerateSettings(slots=settings.slots, cache_bytes=settings.cache_bytes)
    slots = allocate(loaded, wanted, memory_for(loaded, source.max_memory_bytes))
    decoding = Decoding(TokenVocabulary(encoder.tokenizer), loaded.vocab_size, (tokens.eos,))
    core = GenerationSettings(slots=slots, prefix_cache=False, decoder_token_ids=(tokens.start,))
    model = GenerationEngine(loaded, decoding, core)
    run_to_end(model, trial_request(reader, tokens))
    words = _tells_words(loaded, tokens)
    requests = TranscribeRequests(reader, encoder, tokens, model.max_positions, source.media_limits, words)
    facts = messages.TranscribeFacts(
        languages=sorted(tokens.languages or tokens.written),
        translates=requests.translates,
        has_timestamps=tokens.no_timestamps is not None,
        has_prompt=tokens.previous is not None,
        slots=slots,
        has_words=words,
    )
    return LoadedTask(
        model, config, {"transcribe": requests.prepare, **speech_detection(source)}, facts=facts.SerializeToString()
    )


def _tells_words(loaded: EncoderDecoderModel, tokens: SpeechTokens) -> bool:
    """Whether the engine tells the attention of the heads that the model's files name."""
    if not isinstance(loaded, AlignableModel) or tokens.no_timestamps is None:
        return False
    try:
        loaded.check_heads(tokens.alignment_heads)
    except InvalidInputError:
        return False
    return True
