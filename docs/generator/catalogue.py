"""docs/catalogue.md: which architectures are recognised, load and serve, from the results of the sweep."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from generator import markdown
from panope_registry.catalogue import Catalogue, CatalogueEntry, read_catalogue

#: Kinds of models, each with the architecture that stands for it and its task.
KINDS: Sequence[tuple[str, str, str]] = (
    ("encoder (BERT)", "bert", "embed"),
    ("decoder (Llama)", "llama", "generate"),
    ("encoder and decoder (T5)", "t5", "generate"),
    ("vision (ViT)", "vit", "classify"),
    ("object detection (DETR)", "detr", "detect"),
    ("segmentation (SegFormer)", "segformer", "segment"),
    ("sounds (Audio Spectrogram Transformer)", "audio-spectrogram-transformer", "classify"),
    ("speech to text, letter by letter (Wav2Vec2)", "wav2vec2", "transcribe"),
    ("speech to text (Whisper)", "whisper", "transcribe"),
    ("text to speech (VITS)", "vits", "speak"),
    ("images beside texts (CLIP)", "clip", "classify"),
    ("images and text to text (LLaVA)", "llava", "generate"),
    ("mixture of experts (Mixtral)", "mixtral", "generate"),
    ("state space (Mamba)", "mamba", "generate"),
    ("a state that no cache holds (RWKV)", "rwkv", "generate"),
)

_INTRODUCTION = """
An architecture is a `model_type` of transformers; what counts is the classes that the library's auto maps have for it.
Three numbers, each of them measured, count architectures by the best of their tasks:

- **recognised**: the registry, given the model's files, names a task for it.
- **loads**: a worker loads a model of it on the `cpu` backend.
- **serves**: what the model answers through Panope's task is what the library gives, called directly on the same
  weights with the same input, within 0.2 % of the largest value; of texts that are generated, each token is the
  likeliest by the library, with its probability.

The models are tiny and their weights random and seeded: this shows that the plumbing and the numbers are right, and
nothing of how good a model is. Only the `cpu` backend is run. What is said of the others is what each says of the
model's configuration, as if its device were there. Fine-tunes and sizes of one architecture are not counted as others.
Models that read images, audio or videos beside texts are asked with texts alone, and those that caption images with
images.

`panope catalogue` prints this, `panope catalogue --json` for programs; `GET /v1/catalogue` and
`RegistryService.GetCatalogue` tell it of a server. `make catalogue` tries what is unknown with the installed versions.
"""

_MARKS = {"serves": "**serves**", "loads": "loads", "recognised": "recognised"}


def page() -> str:
    """The page."""
    catalogue = read_catalogue()
    return markdown.page(
        [
            markdown.NOTICE,
            "",
            "# The catalogue of architectures",
            *_INTRODUCTION.splitlines(),
            *_totals(catalogue),
            "## By task",
            "",
            *_by_task(catalogue),
            "## Kinds of models and backends",
            "",
            *_kinds(catalogue),
            "## Architectures",
            "",
            *_architectures(catalogue),
        ]
    )


def _totals(catalogue: Catalogue) -> Iterator[str]:
    versions = ", ".join(f"{name} {version}" for name, version in catalogue.versions.items())
    totals = catalogue.totals
    yield ""
    yield f"With {versions}:"
    yield ""
    yield from markdown.table(
        ("architectures", "recognised", "load", "serve"),
        [(str(len(_by_type(catalogue))), str(totals.recognised), str(totals.loads), str(totals.serves))],
    )


def _by_type(catalogue: Catalogue) -> Mapping[str, list[CatalogueEntry]]:
    found: dict[str, list[CatalogueEntry]] = defaultdict(list)
    for entry in catalogue.entries:
        found[entry.model_type].append(entry)
    return found


def _by_task(catalogue: Catalogue) -> list[str]:
    rows = []
    for task in catalogue.tasks:
        totals = catalogue.only(task=task).totals
        rows.append((f"`{task}`", str(totals.recognised), str(totals.loads), str(totals.serves)))
    return markdown.table(("task", "recognised", "load", "serve"), rows)


def _kinds(catalogue: Catalogue) -> Iterator[str]:
    known = {(entry.model_type, entry.task): entry for entry in catalogue.entries}
    backends = catalogue.backends
    notes: list[str] = []
    rows = []
    for name, model_type, task in KINDS:
        entry = known[model_type, task]
        cells = [_cell(entry, backend, notes) for backend in backends]
        rows.append((name, f"`{model_type}`, `{task}`", entry.state, *cells))
    yield from markdown.table(("kind", "measured with", "on `cpu` it", *(f"`{name}`" for name in backends)), rows)
    yield from (f"{number}. {note}" for number, note in enumerate(notes, 1))
    yield ""


def _cell(entry: CatalogueEntry, backend: str, notes: list[str]) -> str:
    support = entry.backends.get(backend)
    if support is None:
        return "-"
    if not support.reason:
        return support.level
    if support.reason not in notes:
        notes.append(support.reason)
    return f"{support.level} ({notes.index(support.reason) + 1})"


def _architectures(catalogue: Catalogue) -> list[str]:
    rows = []
    for model_type, entries in _by_type(catalogue).items():
        tasks = ", ".join(f"`{entry.task}` {_MARKS[entry.state]}" for entry in entries if entry.task)
        rows.append((f"`{model_type}`", tasks or "-", next((entry.reason for entry in entries if entry.reason), "")))
    return markdown.table(("architecture", "tasks", "what stands in the way of the first that does not serve"), rows)
