"""Revisions of models as other programs see them: commits, in the words of the hub."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, exists, select

from panope_registry.inspect.tasks.task_maps import PIPELINE_TAGS
from panope_registry.models.queries.files import BATCH
from panope_registry.tables.model_tables import model, model_variant, repo, repo_file, revision, variant

COMMIT_LENGTH = 40
"""Of a folder's revision the commit is a longer digest; the hub's clients take 40 digits."""


@dataclass(frozen=True)
class PublishedFile:
    """A file of a revision.

    Attributes:
        path: relative, with `/`.
        kind: such as `weights`.
        sha256: empty while unknown.
        is_local: whether its bytes are in this store.
    """

    path: str
    kind: str
    size_bytes: int
    sha256: str
    is_local: bool


@dataclass(frozen=True)
class PublishedRevision:
    """A model's files at one commit.

    Attributes:
        name: `vendor/name`.
        commit: 40 hexadecimal digits.
        task: in the hub's words; empty when it is unknown.
        library_name: as the source says, or as its files are laid out; empty when they are not.
        files: by path; empty in a list of models.
        ref: the branch or tag that it was asked for by; empty when there is none.
        tags: what it can be found by, such as `safetensors`.
        base_models: as its source says.
        architectures: as its config.json says.
        model_type: as its config.json says; empty when it does not.
    """

    name: str
    commit: str
    created_at: datetime
    task: str
    library_name: str
    files: tuple[PublishedFile, ...]
    ref: str = ""
    tags: tuple[str, ...] = ()
    base_models: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    model_type: str = ""


#: The hub's first word for each of our tasks.
_HUB_WORDS = {task: word for word, task in reversed(PIPELINE_TAGS.items())}


def revisions(name: str = "") -> Select[Any]:
    """Returns the revisions of a model, or of every one, the newest first; `described` reads the rows."""
    module_list = repo_file.alias()
    has_modules = exists().where(module_list.c.revision_id == revision.c.id, module_list.c.path == "modules.json")
    served_id = model.c.revision_id.label("served_id")
    question = (
        select(revision, repo.c.name, served_id, model.c.task, has_modules.label("has_modules"))
        .join(repo, repo.c.id == revision.c.repo_id)
        .join(model, model.c.name == repo.c.name)
        .order_by(revision.c.id.desc())
    )
    return question.where(repo.c.name == name) if name else question


def formats_of(connection: Connection, names: Sequence[str]) -> Mapping[str, Iterable[str]]:
    """Returns the formats in which each model came, sorted."""
    formats_of: defaultdict[str, set[str]] = defaultdict(set)
    for start in range(0, len(names), BATCH):
        rows = connection.execute(
            select(model.c.name, variant.c.format)
            .distinct()
            .join(model_variant, model_variant.c.model_id == model.c.id)
            .join(variant, variant.c.id == model_variant.c.variant_id)
            .where(model.c.name.in_(names[start : start + BATCH]), model_variant.c.revision_id == model.c.revision_id)
            .where(variant.c.derived_from_id.is_(None))
        )
        for row in rows:
            formats_of[row.name].add(row.format)
    return defaultdict(tuple, {name: sorted(formats) for name, formats in formats_of.items()})


def described(row: Row[Any], formats: Iterable[str], files: tuple[PublishedFile, ...]) -> PublishedRevision:
    """Returns a row of `revisions` as a value."""
    card, config = row.card or {}, row.config
    task = row.pipeline_tag or _HUB_WORDS.get(row.task, "")
    model_type = config.get("model_type")
    kind = model_type if isinstance(model_type, str) else ""
    named = config.get("architectures")
    architectures = named if isinstance(named, list) else []
    library = row.library_name or ("sentence-transformers" if row.has_modules else "transformers" if kind else "")
    words = (library, *formats, kind, task, *card.get("tags", ()))
    return PublishedRevision(
        name=row.name,
        commit=row.commit[:COMMIT_LENGTH],
        created_at=row.created_at,
        task=task,
        library_name=library,
        files=files,
        ref=row.ref or "",
        tags=tuple(dict.fromkeys(word for word in words if word)),
        base_models=tuple(card.get("base_models", ())),
        architectures=tuple(name for name in architectures if isinstance(name, str)),
        model_type=kind,
    )
