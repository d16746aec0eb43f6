"""Images through either client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from panope.v1 import classify_service_pb2 as pb
from panope.v1 import depth_service_pb2 as depth_pb
from panope.v1 import detect_service_pb2 as detect_pb
from panope.v1 import embed_service_pb2 as embed_pb
from panope.v1 import image_service_pb2 as image_pb
from panope.v1 import ocr_service_pb2 as ocr_pb
from panope.v1 import segment_service_pb2 as segment_pb
from panope.v1.media_pb2 import BoundingBox, Image
from panope_client import InvalidArgumentError, InvalidInputError

MODEL = "vendor/fake"


async def test_images_are_bytes_paths_or_urls(client: Any, fake: Any, tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"file")
    url, there = "data:image/png;base64,YQ==", "https://example.org/a.png"
    await client.classify_images([b"bytes", file, str(file), url, there], MODEL, candidate_labels=["a"], top_k=1)
    assert fake.requests == [
        pb.ClassifyImagesRequest(
            model=MODEL,
            images=[
                Image(content=b"bytes"),
                Image(content=b"file"),
                Image(content=b"file"),
                Image(uri=url),
                Image(uri=there),
            ],
            candidate_labels=["a"],
            top_k=1,
        )
    ]


async def test_things_are_looked_for(client: Any, fake: Any) -> None:
    answer = await client.detect([b"a", b"b"], MODEL, threshold=0.25, max_detections=3)
    assert len(answer.images) == 2
    assert fake.requests == [
        detect_pb.DetectRequest(
            model=MODEL, images=[Image(content=b"a"), Image(content=b"b")], threshold=0.25, max_detections=3
        )
    ]


async def test_frames_are_looked_at_in_their_order(client: Any, fake: Any) -> None:
    frames = [b"a" * size for size in (3, 1, 2)]
    assert [found.width async for found in client.detect_stream(frames, MODEL, candidate_labels=["cat"])] == [3, 1, 2]
    assert [item.request.candidate_labels for item in fake.requests] == [["cat"]] * 3
    stream = client.detect_stream([b"a", b"fail", b"b"], MODEL)
    assert (await anext(stream)).width == 1
    with pytest.raises(InvalidInputError, match="no"):
        await anext(stream)


async def test_images_are_embedded(client: Any, fake: Any) -> None:
    found = await client.embed_images([b"a", b"b"], MODEL, image_pooling="patch_mean", normalize=True, dimensions=2)
    assert len(found.vectors) == 2
    assert fake.requests == [
        embed_pb.EmbedRequest(
            model=MODEL,
            images=[Image(content=b"a"), Image(content=b"b")],
            normalize=True,
            dimensions=2,
            image_pooling=embed_pb.IMAGE_POOLING_PATCH_MEAN,
        )
    ]
    with pytest.raises(InvalidArgumentError, match="image_pooling must be one of pooler"):
        await client.embed_images([b"a"], MODEL, image_pooling="max")


async def test_people_are_looked_for_in_boxes(client: Any, fake: Any) -> None:
    await client.detect([b"a"], MODEL, boxes=[(1, 2, 30.5, 40)])
    assert fake.requests[0].boxes == [BoundingBox(x_min=1, y_min=2, x_max=30.5, y_max=40)]
    with pytest.raises(InvalidArgumentError, match=r"`boxes\[1\]` must be four numbers"):
        await client.detect([b"a"], MODEL, boxes=[(1, 2, 3, 4), (1, 2, 3)])


async def test_images_are_divided(client: Any, fake: Any) -> None:
    await client.segment([b"a"], MODEL, subtask="instance", threshold=0.5, mask_format="run_lengths", max_segments=2)
    assert fake.requests == [
        segment_pb.SegmentRequest(
            model=MODEL,
            images=[Image(content=b"a")],
            subtask=segment_pb.SEGMENT_SUBTASK_INSTANCE,
            threshold=0.5,
            max_segments=2,
            mask_format=segment_pb.MASK_FORMAT_RUN_LENGTHS,
        )
    ]
    with pytest.raises(InvalidArgumentError, match="subtask must be one of semantic, instance, panoptic"):
        await client.segment([b"a"], MODEL, subtask="things")


async def test_the_depth_of_images_is_estimated(client: Any, fake: Any) -> None:
    await client.estimate_depth([b"a"], MODEL, depth_format="float32")
    await client.estimate_depth([b"a"], MODEL)
    formats = [request.depth_format for request in fake.requests]
    assert formats == [depth_pb.DEPTH_FORMAT_FLOAT32, depth_pb.DEPTH_FORMAT_UNSPECIFIED]
    assert fake.requests[0].images == [Image(content=b"a")]
    with pytest.raises(InvalidArgumentError, match="depth_format must be one of png, float32"):
        await client.estimate_depth([b"a"], MODEL, depth_format="jpeg")


async def test_documents_are_read(client: Any, fake: Any, tmp_path: Path) -> None:
    file = tmp_path / "a.pdf"
    file.write_bytes(b"%PDF")
    await client.recognize_document(file, MODEL, pages="1-3", dpi=200, text_layer=True)
    await client.recognize_document(b"%PDF", MODEL, words=True)
    assert fake.requests == [
        ocr_pb.RecognizeRequest(
            model=MODEL, document=ocr_pb.Document(content=b"%PDF", pages="1-3", dpi=200, text_layer=True)
        ),
        ocr_pb.RecognizeRequest(model=MODEL, document=ocr_pb.Document(content=b"%PDF"), words=True),
    ]
    with pytest.raises(InvalidArgumentError, match="`document` must be bytes or a path"):
        await client.recognize_document([b"a"], MODEL)


async def test_images_are_read(client: Any, fake: Any) -> None:
    answer = await client.recognize([b"a", b"b"], MODEL, threshold=0.25, words=True)
    assert len(answer.pages) == 2
    assert fake.requests == [
        ocr_pb.RecognizeRequest(
            model=MODEL, images=[Image(content=b"a"), Image(content=b"b")], threshold=0.25, words=True
        )
    ]


async def test_images_are_made_larger(client: Any, fake: Any) -> None:
    await client.upscale([b"a", b"b"], MODEL, output_format="jpeg")
    images = [Image(content=b"a"), Image(content=b"b")]
    jpeg = image_pb.OUTPUT_FORMAT_JPEG
    assert fake.requests == [image_pb.UpscaleRequest(model=MODEL, images=images, output_format=jpeg)]
    with pytest.raises(InvalidArgumentError, match="output_format must be one of png, jpeg"):
        await client.upscale([b"a"], MODEL, output_format="gif")


@pytest.mark.parametrize(
    ("images", "options", "field", "words"),
    [
        (b"one", {}, "images", "must be a list of images"),
        ([1], {}, r"images[0]", "must be bytes, a path or a URL"),
        (["/no/such/file.png"], {}, r"images[0]", "cannot be read"),
        ([b"a"], {"threshold": "high"}, "threshold", "must be a number"),
        ([b"a"], {"labels": 1}, "labels", "unknown option"),
    ],
)
async def test_a_wrong_argument_is_refused_before_the_call(
    client: Any, fake: Any, images: Any, options: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=words) as caught:
        await client.detect(images, MODEL, **options)
    assert caught.value.field == field
    assert not fake.requests
