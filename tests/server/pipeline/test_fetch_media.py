"""The step that brings files here: which inputs name some, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from panope_backends.errors import InvalidInputError
from panope_server.config import Limits, MediaLimits, MediaUrlSettings
from panope_server.pipeline.call import Call
from panope_server.pipeline.fetch_media import FetchMedia, ReadDataUrls
from panope_server.pipeline.validate import Validate
from panope_server.runtime.media_files.fetcher import Budget, MediaFetcher
from panope_server.tasks.generate.types import Conversation, GenerateInput
from panope_server.tasks.speech.audio import AudioInput
from panope_server.tasks.speech.classify_audio import ClassifyAudioInput
from panope_server.tasks.speech.detect_speech import DetectSpeechInput
from panope_server.tasks.speech.transcribe import TranscribeInput
from panope_server.tasks.task import Input
from panope_server.tasks.vision.detect import DetectInput
from panope_server.tasks.vision.documents import Document
from panope_server.tasks.vision.frame_interpolation import FrameInterpolationInput
from panope_server.tasks.vision.images import Image
from panope_server.tasks.vision.ocr import OcrInput

LIMITS = Limits(media=MediaLimits(max_video_bytes=80, max_image_bytes=50, max_audio_bytes=60, max_document_bytes=70))
FILES = {"https://a.example/i": b"image", "https://a.example/d": b"%PDF-1.7", "https://a.example/s": b"sound"}

MakeCall = Callable[..., Call]


class Shelf(MediaFetcher):
    """Has a few files."""

    def __init__(self) -> None:
        super().__init__(MediaUrlSettings(allowed_hosts=("a.example",)))
        self.asked: list[tuple[str, str, int]] = []

    async def fetch(self, url: str, field: str, max_bytes: int, budget: Budget) -> bytes:
        self.asked.append((url, field, max_bytes))
        return FILES[url]


async def run(call: Call) -> tuple[Input, Shelf]:
    shelf = Shelf()
    validate = Validate(LIMITS, shelf.check)
    validate.check(call)
    step = FetchMedia(shelf, LIMITS.media, 1000, validate.check)
    seen: list[Input] = []

    async def forward(call: Call) -> None:
        seen.append(call.input)

    await step(call, forward)
    return seen[0], shelf


async def test_what_is_accepted_for_later_holds_the_files_that_its_urls_hold(call: MakeCall) -> None:
    validate = Validate(LIMITS, None)
    step = ReadDataUrls(LIMITS.media, validate.check)

    async def held(url: str) -> FrameInterpolationInput:
        task_input = FrameInterpolationInput(b"", url=url)
        await step(call(task_input, task="frame-interpolation"), _nothing)
        return task_input

    assert await held("data:video/mp4;base64,YW4gbXA0") == FrameInterpolationInput(b"an mp4")
    elsewhere = "https://a.example/in.mp4"
    assert await held(elsewhere) == FrameInterpolationInput(b"", url=elsewhere), "it is fetched when it is needed"
    for url in ("data:video/mp4;base64,", "data:video/mp4;base64,?", "data:,", f"data:;base64,{'YWFh' * 30}"):
        with pytest.raises(InvalidInputError) as refused:
            await held(url)
        assert refused.value.field == "video"


async def _nothing(_call: Call) -> None:
    pass


async def test_images_take_their_places_and_each_url_is_fetched_once(call: MakeCall) -> None:
    url = "https://a.example/i"
    images = [Image(url=url), Image(content=b"own"), Image(url=url)]
    found, shelf = await run(call(DetectInput(images), task="detect"))
    assert isinstance(found, DetectInput)
    assert found.images == [Image(content=b"image"), Image(content=b"own"), Image(content=b"image")]
    assert shelf.asked == [(url, "images[0]", 50)]


async def test_an_image_of_a_conversation_is_named_by_its_part(call: MakeCall) -> None:
    said = b'[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image"}]}]'
    task_input = GenerateInput(conversation=Conversation(said, images=[Image(url="https://a.example/i")]))
    found, shelf = await run(call(task_input, task="generate"))
    assert isinstance(found, GenerateInput)
    assert found.conversation is not None
    assert found.conversation.images == [Image(content=b"image")]
    assert shelf.asked == [("https://a.example/i", "messages[0].content[1]", 50)]


@pytest.mark.parametrize("kind", [TranscribeInput, DetectSpeechInput])
async def test_audio_takes_its_place(call: MakeCall, kind: type[TranscribeInput | DetectSpeechInput]) -> None:
    found, shelf = await run(call(kind(b"", url="https://a.example/s"), task="transcribe"))
    assert isinstance(found, kind)
    assert (found.audio, found.url) == (b"sound", "")
    assert shelf.asked == [("https://a.example/s", "audio", 60)]


@pytest.mark.parametrize("kind", [TranscribeInput, DetectSpeechInput, ClassifyAudioInput])
async def test_audio_that_its_url_holds_is_fetched_from_nowhere(call: MakeCall, kind: type[AudioInput]) -> None:
    found, shelf = await run(call(kind(b"", url="DATA:audio/wav;base64,c291bmQ="), task="transcribe"))
    assert isinstance(found, kind)
    assert (found.audio, found.url) == (b"sound", "")
    assert shelf.asked == []


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("data:,sound", "no URL of the form"),
        ("data:;base64,c291b!", "not base64"),
        ("data:;base64,", "is empty"),
        ("data:;base64," + "c291" * 21, "has 63 bytes; the limit is 60"),
    ],
)
async def test_audio_that_its_url_does_not_hold_is_refused(call: MakeCall, url: str, why: str) -> None:
    with pytest.raises(InvalidInputError, match=f"`audio` .*{why}"):
        await run(call(TranscribeInput(b"", url=url), task="transcribe"))


async def test_a_document_is_told_from_an_image_by_its_content(call: MakeCall) -> None:
    document = Document(Image(url="https://a.example/d"), "1-2")
    found, shelf = await run(call(OcrInput([], document=document, may_be_image=True), task="ocr"))
    assert isinstance(found, OcrInput)
    assert found.document == Document(Image(content=b"%PDF-1.7"), "1-2")
    assert shelf.asked == [("https://a.example/d", "document.content", 70)]

    image = Document(Image(url="https://a.example/i"))
    found, _ = await run(call(OcrInput([], document=image, may_be_image=True), task="ocr"))
    assert isinstance(found, OcrInput)
    assert (found.images, found.document) == ([Image(content=b"image")], None)

    paged = Document(Image(url="https://a.example/i"), "1-2")
    with pytest.raises(InvalidInputError, match=r"`document.pages` is for PDF files"):
        await run(call(OcrInput([], document=paged, may_be_image=True), task="ocr"))


async def test_a_call_that_names_no_file_waits_for_nothing(call: MakeCall) -> None:
    _, shelf = await run(call(DetectInput([Image(content=b"own")]), task="detect"))
    assert shelf.asked == []


async def test_a_host_that_is_not_listed_is_refused_before_the_model_is_looked_up(call: MakeCall) -> None:
    made = call(DetectInput([Image(content=b"own"), Image(url="https://b.example/i")]), task="detect")
    with pytest.raises(InvalidInputError, match=r"`images\[1\]` leads to the host `b.example`, port 443"):
        Validate(LIMITS, Shelf().check).check(made)
