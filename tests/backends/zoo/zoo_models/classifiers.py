"""Classifiers through transformers' pipelines, sentence-transformers' CrossEncoder, and Panope's engines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import Message
from zoo_models.architectures import ARCHITECTURES
from zoo_models.case import Case
from zoo_models.serving import quiet

from panope.worker.v1 import classify_pb2 as messages
from panope_backends.api import ModelFacts
from panope_backends.programs.convert import Job, convert
from panope_backends.tasks.task import SequenceJob
from panope_backends.testing.serving import served
from panope_backends.worker.batch.batching import Batcher
from panope_backends.worker.loading import ServedModel

TEXTS = (
    "The quick brown fox",
    "a",
    "ACCENTS: café, 中文字.",
    "  spaces   and   more ",
    "numbers 123 words",
    "ing er the",
    "tabs\tand\nlines",
)
SECONDS = ("the", "a fox", "café", "b", "the word", "quick", "1")
LONG = "one sentence that is far longer than the model takes, so that its end is cut off where the limit says " * 2

#: Backend -> the format that it runs, and the backend that makes it.
ENGINES = {"cpu": ("safetensors", ""), "openvino": ("openvino", "openvino"), "onnx": ("onnx", "cpu")}

CLASSES = {
    "classify": "AutoModelForSequenceClassification",
    "rerank": "AutoModelForSequenceClassification",
    "token-classify": "AutoModelForTokenClassification",
}

#: Entailment stands in the middle, and its case is odd; `B-` and `I-` are as trained models have them.
LABELS = {
    "classify": ("contradiction", "ENTAILMENT", "neutral"),
    "rerank": ("LABEL_0",),
    "token-classify": ("O", "B-PER", "I-PER", "B-LOC", "I-LOC"),
}

_KINDS = (
    *("bert", "electra", "albert", "distilbert", "roberta", "camembert", "xlm-roberta", "mpnet", "deberta"),
    *("deberta-v2", "modernbert", "nomic_bert", "big_bird", "longformer", "convbert", "megatron-bert", "rembert"),
)


def named(kind: str) -> Case:
    """The zoo's case of a kind."""
    return next(case for case in ARCHITECTURES if case.name == kind)


KINDS = tuple(kind for kind in _KINDS if any(case.name == kind for case in ARCHITECTURES))


def write_classifier(folder: Path, kind: str, task: str, **config: Any) -> None:
    """A seeded model of the kind with the head of the task, and its tokenizer."""
    labels = LABELS[task]
    case = named(kind)
    sizes = {**case.sizes, "id2label": dict(enumerate(labels)), "label2id": {name: i for i, name in enumerate(labels)}}
    folder.mkdir(parents=True, exist_ok=True)
    with quiet():
        replace(case, sizes={**sizes, **config}, load_class=CLASSES[task], modules=None).write(folder)


class Served:
    """One model on one engine, asked as the worker asks it.

    Args:
        folder: of the model in safetensors.
        task: of the model.
        engine: one of `ENGINES`.
        scratch: for what is made of it.
    """

    def __init__(self, folder: Path, task: str, engine: str, scratch: Path) -> None:
        format_, maker = ENGINES[engine]
        config = json.loads((folder / "config.json").read_text())
        if maker:
            facts = ModelFacts("test/zoo", "safetensors", task, config["architectures"][0], config)
            with quiet():
                convert(Job(maker, format_, "fp32", facts, str(folder), str(scratch / engine)))
            folder = scratch / engine
        with quiet():
            self.model: ServedModel = served(
                folder,
                task,
                "cpu" if engine == "onnx" else engine,
                format=format_,
                cache_folder=str(scratch / "cache"),
            )
        self.facts = messages.ClassifyFacts.FromString(self.model.ready.facts)

    def ask(self, task: str, message: Message) -> bytes:
        """The answer, in batches as the worker cuts them."""
        loaded = self.model
        assert loaded.sequences is not None
        job = loaded.requests[task](message.SerializeToString())
        assert isinstance(job, SequenceJob)
        batcher = Batcher[int](512, 1 if loaded.runs_alone else 16, max_padding=loaded.max_padding)
        for index, sequence in enumerate(job.sequences):
            batcher.add(index, len(sequence.ids), now=0.0)
        width = loaded.sequences.row_width
        rows = (
            np.full((len(job.sequences), width), np.nan, np.float32) if width else np.empty(len(job.sequences), object)
        )
        while batch := batcher.take():
            found = loaded.sequences.run([job.sequences[index] for index in batch])
            for index, row in zip(batch, found, strict=True):
                rows[index] = row
        return job.answer(rows)

    def classify(
        self, texts: Sequence[str], seconds: Sequence[str] = (), **fields: Any
    ) -> list[list[tuple[str, float]]]:
        """The labels of each text with their scores."""
        message = messages.ClassifyInput(texts=texts, second_texts=seconds, **{"truncation": "refuse", **fields})
        answer = messages.ClassifyOutput.FromString(self.ask("classify", message))
        names = [answer.labels[index] for index in answer.label_ids]
        flat = list(zip(names, answer.scores, strict=True))
        return [flat[start : start + answer.top_k] for start in range(0, len(flat), answer.top_k)]

    def rerank(self, query: str, documents: Sequence[str], **fields: Any) -> list[float]:
        """The score of each document."""
        message = messages.RerankInput(query=query, documents=documents, **{"truncation": "refuse", **fields})
        return list(messages.RerankOutput.FromString(self.ask("rerank", message)).scores)

    def zero_shot(self, text: str, labels: Sequence[str], **fields: Any) -> dict[str, float]:
        """The score of each label."""
        defaults = {"truncation": "refuse", "hypothesis_template": "This example is {}."}
        message = messages.ZeroShotInput(texts=[text], candidate_labels=labels, **{**defaults, **fields})
        answer = messages.ZeroShotOutput.FromString(self.ask("zero-shot", message))
        return dict(zip(labels, answer.scores, strict=True))

    def entities(self, texts: Sequence[str], **fields: Any) -> list[list[messages.Entity]]:
        """The entities of each text."""
        defaults = {"truncation": "refuse", "aggregation": "simple", "ignore_labels": ["O"]}
        message = messages.TokenClassifyInput(texts=texts, **{**defaults, **fields})
        answer = messages.TokenClassifyOutput.FromString(self.ask("token-classify", message))
        return [list(text.entities) for text in answer.texts]


def pipeline_of(folder: Path, task: str) -> Any:
    """transformers' own, on the processor."""
    with quiet():
        import transformers

        return transformers.pipeline(task, model=str(folder), device="cpu")


def cross_encoder_scores(folder: Path, pairs: Sequence[tuple[str, str]], options: Mapping[str, Any]) -> list[float]:
    """What sentence-transformers' CrossEncoder gives."""
    with quiet():
        from sentence_transformers import CrossEncoder

        model = CrossEncoder(str(folder), device="cpu", local_files_only=True, **options)
        scores: list[float] = np.asarray(model.predict(list(pairs), batch_size=1)).ravel().tolist()
    return scores
