"""Models of speech: what Panope answers beside what the library gives."""

from __future__ import annotations

import io
import wave
from collections.abc import Mapping, Sequence

import numpy as np
import torch
import transformers
from safetensors.torch import load_file

from panope.worker.v1 import classify_pb2, speak_pb2, transcribe_pb2
from panope_backends.worker.loading import ServedModel
from sweeping.library import RATE, Library, same, sound
from sweeping.serving import answer

#: Of the tokens of tiny Whispers, from which on they are special ones, or times.
FIRST_SPECIAL = 100


def _wav(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes((samples * 32767).astype("<i2").tobytes())
    return file.getvalue()


def transcribe(model: ServedModel, library: Library) -> str:
    """The text letter for letter, or the tokens of its words."""
    file = _wav(sound())
    samples = np.frombuffer(file[44:], "<i2").astype(np.float32) / 32768
    languages = transcribe_pb2.TranscribeFacts.FromString(model.ready.facts).languages
    language = next((code for code in ("en", "eng") if code in languages), "")
    message = transcribe_pb2.TranscribeInput(audio=file, vad=False, language=language)
    found = transcribe_pb2.TranscribeOutput.FromString(answer(model, "transcribe", message))
    if library.config.is_encoder_decoder:
        tokens = [token for segment in found.segments for token in segment.token_ids]
        return _compared(_words(tokens), _words(_tokens(library, samples, language, len(tokens))))
    pipeline = transformers.pipeline("automatic-speech-recognition", model=str(library.folder), device="cpu")
    text = "".join(segment.text for segment in found.segments)
    return _compared(text.strip(), pipeline({"raw": samples, "sampling_rate": RATE})["text"].strip())


def _compared(found: Sequence[object], wanted: Sequence[object]) -> str:
    if len(wanted) < 3:
        return "the library hears nothing, which shows nothing"
    return "" if found == wanted else f"it hears {str(found)[:40]!r}, and the library {str(wanted)[:40]!r}"


def _tokens(library: Library, samples: np.ndarray, language: str, most: int) -> list[int]:
    """By the library's own way to generate."""
    extractor = transformers.AutoFeatureExtractor.from_pretrained(library.folder)
    with torch.inference_mode():
        if language != "en":
            told = {"tgt_lang": language} if language else {}
            inputs = extractor(samples, sampling_rate=RATE, return_tensors="pt")
            made = library.model.generate(**inputs, **told, do_sample=False, max_new_tokens=most)
            return [int(token) for token in made[0][1 + len(told) :]]
        inputs = extractor(samples, sampling_rate=RATE, return_tensors="pt", return_attention_mask=True)
        options = {"language": language, "task": "transcribe", "return_segments": True, "do_sample": False}
        made = library.model.generate(inputs.input_features, attention_mask=inputs.attention_mask, **options)
    return [int(token) for segment in made["segments"][0] for token in segment["tokens"]]


def _words(tokens: list[int]) -> list[int]:
    """Without special tokens, and what the library leaves of them at the ends of windows."""
    return [token for token in tokens if token < FIRST_SPECIAL]


def classify(model: ServedModel, library: Library) -> str:
    """The scores of the pipeline."""
    file = _wav(sound())
    samples = np.frombuffer(file[44:], "<i2").astype(np.float32) / 32768
    found = classify_pb2.ClassifyAudioOutput.FromString(
        answer(model, "classify-audio", classify_pb2.ClassifyAudioInput(audio=file))
    )
    pipeline = transformers.pipeline("audio-classification", model=str(library.folder), device="cpu")
    told = pipeline({"raw": samples, "sampling_rate": RATE}, top_k=None)
    wanted = {each["label"]: each["score"] for each in told}
    return same(found.scores, [wanted[label] for label in found.labels])


def speak(model: ServedModel, library: Library) -> str:
    """The waveform of one sentence, with the noise of the same seed."""
    text = "the quick fox"
    message = speak_pb2.SpeakInput(text=text, format="wav", speed=1.0, seed=7)
    found = speak_pb2.SpeakOutput.FromString(answer(model, "speak", message))
    tokens = transformers.AutoTokenizer.from_pretrained(library.folder)(text, return_tensors="pt")
    torch.manual_seed(7)
    wanted = _waveform(library, tokens)
    file = found.audio
    samples = np.frombuffer(file[file.index(b"data") + 8 :], "<i2").astype(np.float32) / 32767
    return same(samples[: wanted.size], np.clip(wanted, -1, 1))


def _waveform(library: Library, tokens: Mapping[str, torch.Tensor]) -> np.ndarray:
    if library.config.model_type != "speecht5":
        return np.asarray(library(**tokens).waveform[0])
    vocoder = transformers.SpeechT5HifiGan.from_pretrained(library.folder / "vocoder").eval()
    speaker = next(iter(sorted(load_file(library.folder / "speaker_embeddings.safetensors").items())))[1]
    with torch.inference_mode():
        made = library.model.generate_speech(tokens["input_ids"], speaker[None], vocoder=vocoder)
    return np.asarray(made)
