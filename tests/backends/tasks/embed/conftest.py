"""Small models with sentence-transformers' files, and a task on each."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from panope.worker.v1 import embed_pb2
from panope_backends.api import LoadOptions, ModelFacts, TensorModel
from panope_backends.plugins import load_backend
from panope_backends.tasks.embed.embed import EmbedSequenceTask
from panope_backends.tasks.embed.files.config_files import read_embed_files
from panope_backends.tasks.embed.tokenizers.preparing import prepare_tokenizer
from panope_backends.tasks.embed.tokenizers.tokenizer import TextTokenizer
from panope_backends.testing.models import VOCABULARY, tiny_transformer

SPECIAL = ("[PAD]", "[CLS]", "[SEP]", "[UNK]")
WORDS = (*SPECIAL, *(f"w{number}" for number in range(VOCABULARY - len(SPECIAL))))
TRANSFORMER = {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}
POOLING = {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}
DENSE = {"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"}
NORMALIZE = {"idx": 3, "name": "3", "path": "3_Normalize", "type": "sentence_transformers.models.Normalize"}


def write_tokenizer(folder: Path, *, closes: bool = True, **config: object) -> None:
    """A tokenizer of words: `[CLS] … [SEP]`, or, when it does not close texts, the words alone."""
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if closes:
        tokenizer.post_processor = processors.TemplateProcessing(
            "[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
        )
    # As published tokenizers often have it; neither may have an effect.
    tokenizer.enable_truncation(5)
    tokenizer.enable_padding(length=5)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "sep_token": "[SEP]", **config}
    write_json(folder / "tokenizer_config.json", {"cls_token": "[CLS]", "model_max_length": 48, **settings})


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def embed_task(folder: Path, backend: str = "cpu") -> EmbedSequenceTask:
    """The task on a model's folder, as the worker builds it."""
    files = read_embed_files(folder)
    prepared = prepare_tokenizer(files)
    facts = ModelFacts("test/tiny", "safetensors", "embed", files.config["architectures"][0], files.config)
    model: TensorModel = load_backend(backend).load(facts, folder, "CPU", LoadOptions(precision="fp32"))
    task = EmbedSequenceTask(files, TextTokenizer(prepared), model, max_tokens=prepared.max_tokens or 40)
    task.trial()
    return task


def answer_of(task: EmbedSequenceTask, *texts: str, **fields: Any) -> embed_pb2.EmbedOutput:
    """One request through the task, run as one batch."""
    work = embed_pb2.EmbedInput(texts=texts, **{"truncation": "refuse", **fields})
    job = task.prepare(work.SerializeToString())
    return embed_pb2.EmbedOutput.FromString(job.answer(task.run(job.sequences)))


def vectors_of(result: embed_pb2.EmbedOutput) -> np.ndarray:
    return np.frombuffer(result.vectors, "<f4").reshape(-1, result.dimensions)


def reference_of(folder: Path, texts: list[str], **options: Any) -> np.ndarray:
    """The vectors of sentence-transformers itself, in float32."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reference's own affair
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        return model.encode(texts, batch_size=len(texts), **options)


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights and tokenizer of a seeded BERT, without any of sentence-transformers' files."""
    folder = tmp_path_factory.mktemp("tiny-bert")
    tiny_transformer(folder)
    write_tokenizer(folder)
    return folder


@pytest.fixture
def sentence_model(tiny_bert: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes a model's folder: the tiny BERT with the given files beside it."""

    def write(files: Mapping[str, object] = {}, modules: tuple[object, ...] = (TRANSFORMER, POOLING)) -> Path:
        for source in tiny_bert.iterdir():
            (tmp_path / source.name).write_bytes(source.read_bytes())
        defaults = {
            "modules.json": modules,
            "1_Pooling/config.json": {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True},
        }
        for name, content in {**defaults, **files}.items():
            write_json(tmp_path / name, content)
        return tmp_path

    return write


@pytest.fixture
def task_of() -> Callable[..., EmbedSequenceTask]:
    return embed_task


@pytest.fixture
def answer() -> Callable[..., embed_pb2.EmbedOutput]:
    return answer_of


@pytest.fixture
def vectors() -> Callable[[embed_pb2.EmbedOutput], np.ndarray]:
    return vectors_of


@pytest.fixture
def reference() -> Callable[..., np.ndarray]:
    return reference_of
