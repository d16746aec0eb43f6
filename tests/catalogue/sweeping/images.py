"""Models of images: what Panope answers beside what the library gives."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import transformers
from PIL import Image

from panope.worker.v1 import (
    classify_pb2,
    depth_pb2,
    detect_pb2,
    embed_pb2,
    media_pb2,
    segment_pb2,
    super_resolution_pb2,
)
from panope_backends.worker.loading import ServedModel
from sweeping.library import TEXTS, Library, first, image_of, photograph, probabilities, same
from sweeping.serving import answer

Array = np.ndarray[Any, Any]

FILES = (photograph(0), photograph(1, (60, 80)))

#: The least score of what is detected: models with random weights are sure of nothing.
_SURE = 0.01


def _sent() -> list[media_pb2.Image]:
    return [media_pb2.Image(content=file) for file in FILES]


def embed(model: ServedModel, library: Library) -> str:
    """The vectors of the kinds that the model says it has."""
    if library.config.__dict__.get("text_config") is not None or hasattr(library.config, "text_config"):
        return _towers(model, library)
    facts = embed_pb2.EmbedFacts.FromString(model.ready.facts)
    told = []
    for mode in facts.image_poolings:
        message = embed_pb2.EmbedImagesInput(images=_sent(), image_pooling=mode)
        wanted = []
        for file in FILES:
            pixels = library.pixels(file)
            given = library(**pixels)
            hidden = given.last_hidden_state
            rows = (hidden.flatten(2).transpose(1, 2) if hidden.ndim > 3 else hidden)[0]
            if mode == "pooler":
                wanted.append(given.pooler_output.flatten(1)[0].numpy())
            elif mode == "cls":
                wanted.append(rows[0].numpy())
            else:
                wanted.append(rows[-_patches(library, pixels, len(rows)) :].mean(0).numpy())
        told.append(same(_vectors(answer(model, "embed-images", message)), np.stack(wanted)))
    return first(told) if told else "the model says of no pooling that it has it"


def _patches(library: Library, pixels: Mapping[str, Any], count: int) -> int:
    """Rows of the model's patches, behind what else it has: as many as fit the image, or all."""
    patch = getattr(library.config, "patch_size", 0)
    high, wide = patch if isinstance(patch, list | tuple) else (patch, patch)
    if type(high) is not int or not high:
        return count
    height, width = pixels["pixel_values"].shape[-2:]
    return min(count, (height // high) * (width // wide))


def _towers(model: ServedModel, library: Library) -> str:
    found = _vectors(answer(model, "embed-images", embed_pb2.EmbedImagesInput(images=_sent())))
    images = [library.model.get_image_features(**library.pixels(file)) for file in FILES]
    message = embed_pb2.EmbedInput(texts=TEXTS, truncation="refuse")
    texts = embed_pb2.EmbedOutput.FromString(answer(model, "embed", message))
    made = np.frombuffer(texts.vectors, "<f4").reshape(len(TEXTS), -1)
    options = {"padding": "max_length"} if library.sees_padding else {}
    wanted = [library.model.get_text_features(**library.tokens(text, **options)) for text in TEXTS]
    pooled = [[each.pooler_output.detach()[0].numpy() for each in part] for part in (images, wanted)]
    return first([same(found, np.stack(pooled[0])), same(made, np.stack(pooled[1]))])


def _vectors(data: bytes) -> np.ndarray:
    found = embed_pb2.EmbedImagesOutput.FromString(data)
    return np.frombuffer(found.vectors, "<f4").reshape(len(FILES), found.dimensions)


def classify(model: ServedModel, library: Library) -> str:
    """The probabilities of the model's labels, or of texts."""
    labels = ["a fox", "the house", "river"] if hasattr(library.config, "text_config") else []
    message = classify_pb2.ClassifyImagesInput(
        images=_sent(), candidate_labels=labels, function="softmax", hypothesis_template="{}" if labels else ""
    )
    found = classify_pb2.ClassifyImagesOutput.FromString(answer(model, "classify-images", message))
    scores = np.zeros((len(FILES), len(found.labels)))
    for place, (label, score) in enumerate(zip(found.label_ids, found.scores, strict=True)):
        scores[place // found.top_k, label] = score
    wanted = []
    for file in FILES:
        pixels = library.pixels(file)
        if labels:
            tokens = library.tokens(labels, padding="max_length" if library.sees_padding else True)
            tokens.pop("token_type_ids", None)
            wanted.append(probabilities(library(**pixels, **tokens).logits_per_image[0]))
        else:
            wanted.append(probabilities(library(**pixels)[0][0]))
    return same(scores, np.stack(wanted))


def detect(model: ServedModel, library: Library) -> str:
    """Boxes with labels and scores, by the library's own post-processing."""
    if detect_pb2.DetectFacts.FromString(model.ready.facts).reads_labels:
        return _found_by_texts(model, library)
    if library.model.__class__.__name__.endswith("ForPoseEstimation"):
        return _poses(model, library)
    processor, told = library.processor(), []
    message = detect_pb2.DetectInput(images=_sent(), threshold=_SURE)
    found = detect_pb2.DetectOutput.FromString(answer(model, "detect", message))
    for file, image in zip(FILES, found.images, strict=True):
        given = library(**library.pixels(file))
        (wanted,) = processor.post_process_object_detection(given, _SURE, [image_of(file).size[::-1]])
        # Some of the library's ways tell more than one label of a box: as many are compared as there are boxes.
        order = np.argsort(-wanted["scores"].numpy(), kind="stable")[: given.logits.shape[1]]
        if not len(order):
            return "the library finds nothing, which shows nothing"
        labels = [library.config.id2label[int(each)] for each in wanted["labels"].numpy()[order]]
        told.append(_alike(image, wanted["scores"].numpy()[order], labels, wanted["boxes"].numpy()[order]))
    return first(told)


def _alike(image: detect_pb2.Detections, scores: Array, labels: list[str], corners: Array) -> str:
    """Boxes of about the same score may come in any order."""
    if reason := same(image.scores, scores):
        return reason
    if sorted(image.labels) != sorted(labels):
        return "its labels are others"
    boxes = np.asarray(image.corners).reshape(-1, 4)
    return "" if np.abs(np.sort(boxes, 0) - np.sort(corners, 0)).max() < 1.01 else "its boxes are others"


def _found_by_texts(model: ServedModel, library: Library) -> str:
    texts = ["a fox runs", "the dog sleeps", "river"]
    message = detect_pb2.DetectInput(images=_sent(), threshold=0.0, candidate_labels=texts)
    found = detect_pb2.DetectOutput.FromString(answer(model, "detect", message))
    run = transformers.pipeline(
        "zero-shot-object-detection", model=str(library.folder), image_processor=library.processor(), device="cpu"
    )
    told = []
    for file, image in zip(FILES, found.images, strict=True):
        wanted = sorted(run(image_of(file), candidate_labels=texts, threshold=0.0), key=lambda one: -one["score"])
        corners = [[one["box"][side] for side in ("xmin", "ymin", "xmax", "ymax")] for one in wanted]
        scores = np.array([one["score"] for one in wanted])
        told.append(_alike(image, scores, [one["label"] for one in wanted], np.array(corners)))
    return first(told)


def _poses(model: ServedModel, library: Library) -> str:
    """The points of whoever fills an image, and how sure each is."""
    message = detect_pb2.DetectInput(images=_sent(), threshold=0.0)
    found = detect_pb2.DetectOutput.FromString(answer(model, "detect", message))
    processor, told = library.processor(), []
    for file, image in zip(FILES, found.images, strict=True):
        boxes = [[[0.0, 0.0, *map(float, image_of(file).size)]]]  # as COCO has it: left, top, width and height
        given = library(**processor(images=[image_of(file)], boxes=boxes, return_tensors="pt"))
        ((wanted,),) = processor.post_process_pose_estimation(given, boxes=boxes)
        points = np.asarray(image.keypoints).reshape(-1, 3)
        told.append(same(points[:, :2], wanted["keypoints"].numpy()))
        told.append(same(points[:, 2], wanted["scores"].numpy()))
    return first(told)


def super_resolution(model: ServedModel, library: Library) -> str:
    """Each pixel of the larger images, of which the library makes what its frame of padding leaves too."""
    message = super_resolution_pb2.SuperResolutionInput(images=_sent(), output_format="png")
    found = super_resolution_pb2.SuperResolutionOutput.FromString(answer(model, "super-resolution", message))
    told = []
    for file, image in zip(FILES, found.images, strict=True):
        pixels = np.asarray(Image.open(io.BytesIO(image.content)), np.float64)
        wanted = library(**library.pixels(file)).reconstruction[0].clamp(0, 1).numpy().transpose(1, 2, 0)
        # A pixel has 256 values: half of one is what rounding takes.
        told.append(same(pixels / 255, wanted[: image.height, : image.width], tolerance=4e-3))
    return first(told)


def depth(model: ServedModel, library: Library) -> str:
    """How far each pixel is away, as the library's pipeline says."""
    message = depth_pb2.DepthInput(images=_sent(), float32=True)
    found = depth_pb2.DepthOutput.FromString(answer(model, "depth", message))
    run = transformers.pipeline(
        "depth-estimation", model=str(library.folder), image_processor=library.processor(), device="cpu"
    )
    told = []
    for file, image in zip(FILES, found.images, strict=True):
        wanted = run(image_of(file))["predicted_depth"].numpy()
        told.append(same(np.frombuffer(image.float32, "<f4").reshape(image.height, image.width), wanted))
    return first(told)


def segment(model: ServedModel, library: Library) -> str:
    """The label of each pixel, by the library's own post-processing."""
    message = segment_pb2.SegmentInput(images=_sent(), subtask="semantic")
    found = segment_pb2.SegmentOutput.FromString(answer(model, "segment", message))
    processor = library.processor()
    for file, image in zip(FILES, found.images, strict=True):
        given = library(**library.pixels(file))
        size = image_of(file).size[::-1]
        (wanted,) = processor.post_process_semantic_segmentation(given, [size])
        seen = np.full(size, -1)
        for each in image.segments:
            mask = np.asarray(Image.open(io.BytesIO(each.png))) > 0
            seen[mask] = {label: index for index, label in library.config.id2label.items()}[each.label]
        if (seen == wanted.numpy()).mean() < 0.995:
            return f"{(seen != wanted.numpy()).mean():.1%} of the pixels have another label"
    return ""
