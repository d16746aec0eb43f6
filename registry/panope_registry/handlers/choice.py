"""Which files a pull downloads: those of the variant that was asked for, or of the likeliest one."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from panope_backends.errors import PreconditionError
from panope_registry.entries import ModelEntry, RepoFileEntry, VariantEntry, WantedFile
from panope_registry.handlers.requests import FORMATS, DownloadRequest
from panope_registry.kinds import IMPORTED
from panope_registry.names import shown

#: Of many quantizations of one model: the one that most people want.
USUAL_PRECISION = "q4_k_m"


def choose_variant(entry: ModelEntry, request: DownloadRequest) -> VariantEntry:
    """The variant to download: of the format and precision asked for, else of the model's preferred format.

    Raises:
        PreconditionError: the model has no such variant; the message tells which it has.
    """
    offered = [variant for variant in entry.variants if variant.derived_from is None]
    fitting = [
        variant
        for variant in offered
        if request.format in ("", variant.format) and request.precision.casefold() in ("", variant.precision.casefold())
    ]
    if not fitting:
        there_are = ", ".join(sorted({f"{variant.format} {variant.precision}".strip() for variant in offered}))
        raise PreconditionError(
            f"model `{entry.name}` has no such variant; it has {there_are or 'none'}", reason="no_such_variant"
        )
    return min(fitting, key=lambda variant: _rank(variant, entry.preferred_format))


def choose_files(entry: ModelEntry, files: Sequence[RepoFileEntry], patterns: Sequence[str]) -> list[WantedFile]:
    """The files that match a pattern and are not here.

    Raises:
        PreconditionError: nothing matches, or what matches is of a kind that is not kept, such as a pickle.
    """
    matching = [file for file in files if any(fnmatchcase(file.path, pattern) for pattern in patterns)]
    if not matching:
        raise PreconditionError(
            f"no file of `{entry.name}` matches {', '.join(f'`{shown(pattern)}`' for pattern in patterns)}",
            reason="no_such_file",
            field="include",
        )
    refused = [file.path for file in matching if file.kind not in IMPORTED]
    if len(refused) == len(matching):
        raise PreconditionError(
            f"`{shown(refused[0])}` and all else that matches is of a kind that Panope does not keep",
            reason="unsafe_format",
            field="include",
        )
    return [
        WantedFile(file.path, file.sha256, file.git_sha1, file.size_bytes, entry.name, entry.commit)
        for file in matching
        if file.kind in IMPORTED and file.sha256 is not None and not file.is_here
    ]


def _rank(variant: VariantEntry, preferred_format: str) -> tuple[bool, int, bool, bool]:
    return (
        variant.format != preferred_format,
        FORMATS.index(variant.format) if variant.format in FORMATS else len(FORMATS),
        variant.precision.casefold() != USUAL_PRECISION,
        not variant.is_here,
    )
