"""Selects the files that a pull downloads: those of the requested variant, or of the likeliest one."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from panope_backends.errors import PreconditionError
from panope_registry.inspect.file_kinds import IMPORTED
from panope_registry.inspect.precisions import FULL_BITS, bits_of, is_quantized
from panope_registry.job_handlers.requests import FORMATS, DownloadRequest
from panope_registry.models.types import MissingFile, ModelEntry, RepoFileEntry, VariantEntry
from panope_registry.models.variant_digest import find_variant
from panope_registry.names import shown

#: The quantization that most people choose, of the many that a model may have.
USUAL_PRECISION = "q4_k_m"


def choose_variant(entry: ModelEntry, request: DownloadRequest, machine_bytes: int = 0) -> VariantEntry:
    """Returns the variant to download.

    What is asked for by digest, format or precision is what comes, whether it fits or not. Without a request it is, of
    those that fit this machine: in the format, then the precision that the model is preferred in; then in the first of
    `FORMATS`, with weights as they were published; of GGUF files the usual quantization, else the next finer, else a
    coarser one. A tie goes to the file with the shorter path, then to the one that comes first in the alphabet.

    Args:
        entry: of the model.
        request: what is asked for.
        machine_bytes: the most memory that one model can have here; 0 when nobody knows.

    Raises:
        NotFoundError: the model has no variant of that digest.
        PreconditionError: the model has no such variant, or none that fits; the message tells which it has.
    """
    if request.variant:
        return find_variant(entry, request.variant)
    offered = [variant for variant in entry.variants if variant.derived_from is None]
    candidates = [variant for variant in offered if _is_asked_for(variant, request)]
    if not candidates:
        raise _not_offered(entry, request, offered)
    if not (request.format or request.precision):
        fitting = [
            candidate for candidate in candidates if not machine_bytes or candidate.memory_bytes <= machine_bytes
        ]
        if not fitting:
            raise _too_large(entry, candidates, machine_bytes)
        candidates = fitting
    return min(candidates, key=lambda variant: _rank(variant, entry))


def choose_files(entry: ModelEntry, files: Sequence[RepoFileEntry], patterns: Sequence[str]) -> list[MissingFile]:
    """Returns the files that match a pattern and are not here.

    Raises:
        PreconditionError: nothing matches, or what matches is of a kind that is not kept, such as a pickle.
    """
    matching = [file for file in files if any(fnmatchcase(file.path, pattern) for pattern in patterns)]
    if not matching:
        raise PreconditionError(
            f"no file of `{entry.name}` matches {', '.join(f'`{shown(pattern)}`' for pattern in patterns)}",
            reason="file_not_found",
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
        MissingFile(file.path, file.sha256, file.git_sha1, file.size_bytes, entry.name, entry.commit)
        for file in matching
        if file.kind in IMPORTED and file.sha256 is not None and not file.is_local
    ]


def _is_asked_for(variant: VariantEntry, request: DownloadRequest) -> bool:
    return request.format in ("", variant.format) and request.precision.casefold() in ("", variant.precision.casefold())


def _rank(variant: VariantEntry, entry: ModelEntry) -> tuple[object, ...]:
    return (
        bool(entry.preferred_format) and variant.format != entry.preferred_format,
        bool(entry.preferred_precision) and variant.precision.casefold() != entry.preferred_precision.casefold(),
        FORMATS.index(variant.format) if variant.format in FORMATS else len(FORMATS),
        *_distance(variant),
        not variant.is_local,
        variant.order,
        variant.digest,
    )


def _distance(variant: VariantEntry) -> tuple[int, int, int]:
    """Returns how far a precision is from the usual one of its format; finer ones are nearer than coarser ones."""
    bits = bits_of(variant.precision) or FULL_BITS
    if variant.format == "gguf":
        finer_bits = bits - bits_of(USUAL_PRECISION)
        return variant.precision.casefold() != USUAL_PRECISION, finer_bits < 0, abs(finer_bits)
    return is_quantized(variant.precision), -bits, 0


def _not_offered(entry: ModelEntry, request: DownloadRequest, offered: Sequence[VariantEntry]) -> PreconditionError:
    known = ", ".join(sorted({_name(variant) for variant in offered}))
    wrong_format = request.format and all(variant.format != request.format for variant in offered)
    return PreconditionError(
        f"model `{entry.name}` has no such variant; it has {known or 'none'}",
        reason="variant_not_found",
        field="format" if wrong_format or not request.precision else "precision",
    )


def _too_large(entry: ModelEntry, candidates: Sequence[VariantEntry], machine_bytes: int) -> PreconditionError:
    needs = ", ".join(
        sorted({f"{_name(variant)} needs {variant.memory_bytes / 1e9:,.1f} GB" for variant in candidates})
    )
    return PreconditionError(
        f"model `{entry.name}` does not fit this machine, where one model can have {machine_bytes / 1e9:,.1f} GB: "
        f"{needs}; ask for a format or precision to download it all the same",
        reason="insufficient_memory",
    )


def _name(variant: VariantEntry) -> str:
    return f"{variant.format} {variant.precision}".strip()
