"""What answers at the end of the pipeline."""

from __future__ import annotations

import asyncio
import re
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import structlog
from rest_doubles.generation import Script, parts_of
from rest_doubles.labels import LABELLED, labelled
from rest_doubles.models import DIMENSIONS, vector_of
from rest_doubles.texts import READ, read

from panope_backends.errors import InvalidInputError
from panope_server.pipeline.call import Call
from panope_server.tasks.embed import EmbedInput, EmbedOutput, SparseVector
from panope_server.tasks.generate.types import GenerateInput
from panope_server.tasks.speech.detect_speech import DetectSpeechInput, DetectSpeechOutput, SpeechPart
from panope_server.tasks.speech.speak import SpeakInput, SpeakOutput
from panope_server.tasks.speech.transcribe import TranscribeInput, TranscribeOutput, TranscriptSegment
from panope_server.tasks.task import Output
from panope_server.tasks.tensors import NamedTensor, TensorInput, TensorOutput
from panope_server.tasks.tokenize import DetokenizeInput, DetokenizeOutput, TokenizedText, TokenizeInput, TokenizeOutput
from panope_server.tasks.vision.embed_images import EmbedImagesInput, EmbedImagesOutput
from panope_server.tasks.vision.frame_interpolation import FrameInterpolationInput, FrameInterpolationOutput
from panope_server.tasks.vision.image_generation import GeneratedImage, ImageGenerationInput, ImageGenerationOutput
from panope_server.tasks.vision.video_generation import Video, VideoGenerationInput, VideoGenerationOutput


@dataclass
class FakeInstances:
    """Answers at the end of the pipeline; `failure` is raised instead when set, `late_failure` behind an answer."""

    calls: list[Call] = field(default_factory=list)
    log_words: list[dict[str, Any]] = field(default_factory=list)
    failure: Exception | None = None
    late_failure: Exception | None = None
    outputs: list[NamedTensor] | None = None
    sparse: bool = False
    script: Script = field(default_factory=Script)
    hold: bool = False
    held: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)
    waiting: list[asyncio.Future[None]] = field(default_factory=list)

    def release(self) -> None:
        """Lets the calls that are held answer."""
        for future in self.waiting:
            future.get_loop().call_soon_threadsafe(future.set_result, None)

    async def accept(self, call: Call) -> None:
        """Takes a call that will be run later."""
        self.calls.append(call)

    async def answer(self, call: Call) -> None:
        self.calls.append(call)
        self.log_words.append(structlog.contextvars.get_contextvars())
        if self.failure is not None:
            raise self.failure
        if self.hold:
            await self._held()
        if isinstance(call.input, GenerateInput):
            async for part in parts_of(self.script, call.input):
                await call.output.put(part)
            return
        await call.output.put(self._output_of(call))
        if self.late_failure is not None:
            raise self.late_failure

    def _output_of(self, call: Call) -> Output:
        match call.input:
            case EmbedInput(texts=texts, token_sequences=sequences) if self.sparse:
                count = len(texts or sequences)
                return EmbedOutput(b"", count, DIMENSIONS, [1] * count, [], [SparseVector([2], [0.5])] * count)
            case EmbedInput(texts=texts, token_sequences=sequences):
                return embedded(texts or [" ".join(map(str, ids)) for ids in sequences], call.input.dimensions)
            case EmbedImagesInput(images=images):
                vectors = [vector_of(f"image {index}")[: call.input.dimensions] for index in range(len(images))]
                return EmbedImagesOutput([np.array(vector, "<f4").tobytes() for vector in vectors])
            case TokenizeInput(conversation=conversation) if conversation is not None:
                return TokenizeOutput([tokenized("a conversation", special=False)])
            case TokenizeInput(texts=texts, add_special_tokens=special):
                return TokenizeOutput([tokenized(text, special=special) for text in texts])
            case DetokenizeInput(token_sequences=sequences):
                return DetokenizeOutput([" ".join(f"w{token}" for token in ids) for ids in sequences])
            case TensorInput(output_names=["last_hidden_state"]):
                ids = np.frombuffer(call.input.inputs[0].data, "<i8").astype("<f4")
                rows = np.stack([ids, -ids], axis=-1)[None]
                return TensorOutput([NamedTensor("last_hidden_state", "float32", rows.shape, rows.tobytes())])
            case task_input if isinstance(task_input, READ):
                return read(task_input)
            case task_input if isinstance(task_input, LABELLED):
                return labelled(task_input)
            case DetectSpeechInput():
                return DetectSpeechOutput([SpeechPart(0.5, 1.5)], 2.0)
            case TranscribeInput():
                return TranscribeOutput([TranscriptSegment(0, 0.0, 1.5, " Hello.", [7], -0.5, 1.0)], "en", 1.5, 1)
            case ImageGenerationInput(seed=seed, count=count):
                return ImageGenerationOutput(
                    images=[GeneratedImage(index, 8, 6, b"image", (seed or 0) + index, False) for index in range(count)]
                )
            case VideoGenerationInput(seed=seed):
                return VideoGenerationOutput(video=Video(b"video", 64, 48, 9, 16.0, seed or 0))
            case FrameInterpolationInput():
                return FrameInterpolationOutput(video=Video(b"video", 64, 48, 9, 20.0, has_audio=True))
            case SpeakInput():
                return SpeakOutput(b"audio of " + call.input.text.encode(), 0.5, 16_000)
            case TensorInput():
                return TensorOutput(call.input.inputs if self.outputs is None else self.outputs)
        raise AssertionError(f"no such input: {call.input}")

    async def _held(self) -> None:
        self.waiting.append(asyncio.get_running_loop().create_future())
        self.held.set()
        try:
            await self.waiting[-1]
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


def embedded(texts: list[str], dimensions: int | None) -> EmbedOutput:
    vectors = np.array([vector_of(text)[:dimensions] for text in texts], "<f4")
    if dimensions is not None and dimensions > DIMENSIONS:
        raise InvalidInputError.at("dimensions", "{field} is at most {limit}", limit=DIMENSIONS)
    return EmbedOutput(vectors.tobytes(), len(texts), vectors.shape[1], [len(text.split()) for text in texts], [])


def tokenized(text: str, *, special: bool) -> TokenizedText:
    """A token for each word, whose id is its length; 101 before and 102 behind them."""
    words = list(re.finditer(r"\S+", text))
    ids, tokens = [len(word[0]) for word in words], [word[0].lower() for word in words]
    starts, ends = [word.start() for word in words], [word.end() for word in words]
    if not special:
        return TokenizedText(ids, tokens, starts, ends, [False] * len(ids))
    return TokenizedText(
        [101, *ids, 102],
        ["[CLS]", *tokens, "[SEP]"],
        [0, *starts, 0],
        [0, *ends, 0],
        [True, *[False] * len(ids), True],
    )
