"""What models with labels answer: scores that tell what was asked of which text."""

from __future__ import annotations

from panope_server.tasks.classify import ClassifyInput, ClassifyOutput, LabelScore
from panope_server.tasks.rerank import RerankInput, RerankOutput
from panope_server.tasks.speech.classify_audio import ClassifyAudioInput, ClassifyAudioOutput
from panope_server.tasks.task import Input, Output
from panope_server.tasks.token_classify import Entity, TokenClassifyInput, TokenClassifyOutput
from panope_server.tasks.vision.depth import DepthInput, DepthMap, DepthOutput
from panope_server.tasks.vision.detect import Box, DetectInput, Detection, DetectOutput, ImageDetections, Keypoint
from panope_server.tasks.vision.ocr import OcrInput, OcrOutput, Point, TextLine, TextPage, TextWord
from panope_server.tasks.vision.segment import ImageSegments, Segment, SegmentInput, SegmentOutput
from panope_server.tasks.vision.super_resolution import MadeImage, SuperResolutionInput, SuperResolutionOutput
from panope_server.tasks.zero_shot import ZeroShotInput, ZeroShotOutput

LABELLED = (
    *(ClassifyInput, RerankInput, TokenClassifyInput, ZeroShotInput),
    *(DetectInput, SegmentInput, DepthInput, OcrInput, SuperResolutionInput),
    ClassifyAudioInput,
)
SCORES = (("entailment", 0.5), ("neutral", 0.375), ("contradiction", 0.125))
IDS = (1, 2, 0)
"""Of these labels."""


def labelled(task_input: Input) -> Output:
    """The same labels for each text; documents score by length, with queries of their own; labels by their places."""
    match task_input:
        case ClassifyInput(texts=texts, top_k=top_k):
            labels = [LabelScore(*found) for found in SCORES[:top_k]]
            ids = list(IDS[:top_k])
            return ClassifyOutput([labels for _ in texts], [3] * len(texts), [], [ids for _ in texts])
        case ClassifyAudioInput(top_k=top_k):
            return ClassifyAudioOutput([LabelScore(*found) for found in SCORES[:top_k]], 2.0, 1.0)
        case RerankInput(documents=documents, queries=queries):
            own = queries or [""] * len(documents)
            scores = [len(query + document) / 16 for query, document in zip(own, documents, strict=True)]
            return RerankOutput(scores, [5] * len(documents), [])
        case ZeroShotInput(texts=texts, candidate_labels=candidates):
            scores = [(place + 1) / 8 for _ in texts for place in range(len(candidates))]
            return ZeroShotOutput(scores, [7] * len(texts), [])
        case TokenClassifyInput(texts=texts, aggregation=aggregation):
            entities = [_entity(text, joined=aggregation != "none") for text in texts]
            return TokenClassifyOutput([[entity] for entity in entities], [4] * len(texts), [])
        case DetectInput(images=images):
            found = Detection("fox", 0.75, Box(0, 1, 2.5, 3), [Keypoint("nose", 0.5, 1.25, 2)])
            return DetectOutput([ImageDetections(4, 3, [found]) for _ in images])
        case SegmentInput(images=images, run_lengths=run_lengths):
            png, runs = (b"", [1, 2, 9]) if run_lengths else (b"png", [])
            segment = Segment("fox", 0.75, png, runs, 2, Box(0, 1, 1, 3))
            return SegmentOutput([ImageSegments(4, 3, [segment]) for _ in images])
        case DepthInput(images=images, float32=float32):
            png, values = (b"", b"float") if float32 else (b"png", b"")
            return DepthOutput([DepthMap(4, 3, png, values, 0.5, 2.0, "metre") for _ in images])
        case OcrInput(images=images, words=words):
            corners = (Point(0, 1), Point(2.5, 1), Point(2.5, 3), Point(0, 3))
            line = TextLine("a fox", 0.75, corners, 0.0, [TextWord("a", 0.5, corners)] if words else [])
            return OcrOutput([TextPage(1, 4, 3, [line, line]) for _ in images])
        case SuperResolutionInput(images=images):
            return SuperResolutionOutput([MadeImage(8, 6, b"image") for _ in images])
    raise AssertionError(f"no such input: {task_input}")


def _entity(text: str, *, joined: bool) -> Entity:
    return Entity("PER" if joined else "B-PER", 0.75, text[:3].lower(), 0, 3, None if joined else 1)
