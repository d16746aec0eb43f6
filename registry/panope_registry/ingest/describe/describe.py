"""Which rule fits a folder that says nothing of itself, and the description that is imported with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.graphs.description import read_description
from panope_backends.graphs.terms import FILE, DescriptionError
from panope_registry.ingest.describe.folder import Folder
from panope_registry.ingest.describe.frames import frame_between
from panope_registry.ingest.describe.images import (
    centerface,
    imagenet,
    movenet,
    nanodet,
    picodet,
    real_esrgan,
    u2net,
)
from panope_registry.ingest.describe.match import Match, Rule
from panope_registry.ingest.describe.text import pp_ocr
from panope_registry.ingest.describe.voices import kokoro, piper
from panope_registry.ingest.folder import FolderFile
from panope_registry.inspect.tasks.evidence import MARKERS

RULES: Mapping[str, Rule] = {
    "piper": piper,
    "kokoro": kokoro,
    "pp-ocr": pp_ocr,
    "centerface": centerface,
    "movenet": movenet,
    "nanodet": nanodet,
    "picodet": picodet,
    "u2net": u2net,
    "real-esrgan": real_esrgan,
    "frame-between": frame_between,
    "imagenet": imagenet,
}
"""By the name of a model or library."""


def describe(
    files: Sequence[FolderFile], scratch: Path, task_hints: Sequence[str] = (), decoder: str = ""
) -> tuple[Sequence[FolderFile], dict[str, str]]:
    """The files with a description of what they were recognised as, and the reason; as they came where nobody asks.

    Args:
        files: of a folder.
        scratch: where the description is written; it must stay until the files are in the store.
        task_hints: what the model is for, as the user says.
        decoder: the name of a rule, or of the decoder of a description, as the user says; empty for none.

    Raises:
        InvalidInputError: no rule of the decoder's name fits, or a file that belongs to it is broken.
        PreconditionError: several rules fit, and nobody says which counts (`ambiguous_graph`).
    """
    folder = Folder.of(files)
    if not decoder and (set(folder.files) & {*MARKERS} or not folder.graphs or _is_of_transformers(folder)):
        return files, {}
    match = _chosen([found for rule in RULES.values() if (found := rule(folder))], task_hints, decoder)
    if match is None:
        return files, {}
    content = msgspec.json.format(msgspec.json.encode({"version": 1, **match.description}), indent=1)
    try:
        read_description(msgspec.json.decode(content))
    except DescriptionError as error:
        raise InvalidInputError(
            f"the folder looks like one of `{match.name}`, and what its files say is wrong: {error}", field="folder"
        ) from None
    made = {FILE: content, **dict.fromkeys(match.more, b"")}
    for name, data in made.items():
        if name == FILE:
            (scratch / name).write_bytes(data)
        else:
            match.more[name](scratch / name)
    added = [FolderFile(name, scratch / name, (scratch / name).stat().st_size) for name in made]
    kept = [file for file in files if file.path not in made]
    return [*kept, *added], {"description": f"{FILE} was written as of `{match.name}`: {match.because}"}


def _is_of_transformers(folder: Folder) -> bool:
    """Whether config.json is of a model of transformers, whose graphs say by it what they are."""
    return bool({"architectures", "model_type"} & set(folder.json("config.json")))


def _chosen(matches: Sequence[Match], task_hints: Sequence[str], decoder: str) -> Match | None:
    """The description that counts; None where none does."""
    fitting = [each for each in matches if not task_hints or each.task in task_hints]
    if decoder:
        fitting = [each for each in fitting if decoder in (each.name, each.decoder)]
        if not fitting:
            could = _listed(matches) if matches else "nothing"
            raise InvalidInputError(
                f"the folder's graphs do not fit `{decoder}`; known are {', '.join(f'`{name}`' for name in RULES)}, "
                f"and of these {could} would fit",
                field="decoder",
            )
    elif not task_hints:
        fitting = [each for each in fitting if each.is_certain]
    if len(fitting) > 1:
        raise PreconditionError(
            f"the folder's graphs may be {_listed(fitting)}, and nothing says which: name one by `--decoder`, or "
            f"write {FILE}",
            reason="ambiguous_graph",
            details={"candidates": ",".join(each.name for each in fitting)},
        )
    return fitting[0] if fitting else None


def _listed(matches: Sequence[Match]) -> str:
    return " or ".join(f"`{each.name}` (task `{each.task}`)" for each in matches)
