"""Models of videos: what Panope answers beside what the library gives."""

from __future__ import annotations

import io

import av
import numpy as np
import transformers

from panope.worker.v1 import classify_pb2
from panope_backends.worker.loading import ServedModel
from panope_server.tasks.samples import video
from sweeping.library import Library, first, same
from sweeping.serving import answer


def classify(model: ServedModel, library: Library) -> str:
    """The probability of each label, as the library's pipeline says of as many frames as the model looks at."""
    files = [video(seed, frames=library.config.num_frames) for seed in range(2)]
    run = transformers.pipeline("video-classification", model=str(library.folder), device="cpu")
    told = []
    for file in files:
        message = classify_pb2.ClassifyVideoInput(video=file, function="softmax")
        found = classify_pb2.ClassifyVideoOutput.FromString(answer(model, "classify-video", message))
        scores = dict(zip(found.labels, found.scores, strict=True))
        wanted = {each["label"]: each["score"] for each in run(_frames(file), top_k=len(library.config.id2label))}
        if scores.keys() != wanted.keys():
            return "its labels are others"
        told.append(same([scores[label] for label in wanted], list(wanted.values())))
    return first(told)


def _frames(file: bytes) -> np.ndarray:
    with av.open(io.BytesIO(file)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
