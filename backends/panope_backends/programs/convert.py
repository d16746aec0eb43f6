"""Converts one model into a backend's own format, as a program: `python -m panope_backends.programs.convert`.

It reads one JSON document on stdin, `{"backend", "format", "precision", "model": {name, format, task, architecture,
config}, "folder", "out"}`, and writes into `out`, an empty folder, the converted weights, everything of `folder` but
the weights that they replace, and for a model that embeds or classifies the tokenizer that transformers makes of its
files. It prints one JSON line, `{"ok": true, "format", "precision", "engine_version"}` or `{"ok": false, "kind",
"reason", "message"}`, and exits with 0 or 1.

It is a process of its own because it imports what serving does not (torch, transformers) and takes several times the
model's memory, which only its end gives back.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
import traceback
from collections.abc import Collection, Sequence
from pathlib import Path

import msgspec

from panope_backends.api import Conversion, Converter, ModelFacts
from panope_backends.errors import InternalError, InvalidInputError, PanopeError, PreconditionError, kind_of
from panope_backends.isolation.memory_limit import is_out_of_memory, limit_memory
from panope_backends.isolation.own_code import prepare_for_own_code
from panope_backends.lora import FOLDER
from panope_backends.model_facts.audio_models import classifies_audio
from panope_backends.model_facts.image_models import classifies_images
from panope_backends.model_facts.word_tables import ON_CPU_ALONE, is_word_table
from panope_backends.plugins import load_backend
from panope_backends.programs.prepare_tokenizer import TEXTS, tokenizer_places, tokenizers_to_add
from panope_backends.programs.report import OFFLINE, claim_stdout
from panope_backends.tasks.embed.files.config_files import read_embed_files
from panope_backends.tasks.embed.files.modules_file import PROJECTION
from panope_backends.tasks.embed.files.multi_vector_files import is_colbert
from panope_backends.tasks.embed.layer_pooling import model_head
from panope_backends.tasks.embed.step_weights import PICKLED, SAFE, keep_projection, read_step_weights
from panope_backends.tasks.embed.tokenizers.prepared import sources_digest
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.kept_files import keep

#: Files of the model's folder that converted weights replace; folders below, such as `2_Dense`, keep theirs. GGUF files
#: are whole models wherever they lie.
_WEIGHTS = (
    *("*.safetensors", "*.safetensors.index.json", "*.onnx", "*.onnx_data", "*.onnx.data"),
    *("pytorch_model*.bin", "pytorch_model.bin.index.json"),
)


class Job(msgspec.Struct, forbid_unknown_fields=True):
    """What to convert; see the module's text."""

    backend: str
    format: str
    precision: str
    model: ModelFacts
    folder: str
    out: str


class Converted(msgspec.Struct):
    """The report of a success."""

    format: str
    precision: str
    engine_version: str
    ok: bool = True


class Failed(msgspec.Struct):
    """The report of a failure; `kind` is the reason of the error's whole class, which tells whose fault it is."""

    kind: str
    reason: str
    message: str
    ok: bool = False


def convert(job: Job) -> Converted:
    """Runs the backend's converter and completes the folder.

    Raises:
        PanopeError: the backend makes no such thing of this format, not here, or not of this model.
    """
    folder, out = Path(job.folder), Path(job.out)
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise PreconditionError("the folder for the result is not empty")
    backend = load_backend(job.backend)
    if not isinstance(backend, Converter):
        raise PreconditionError(f"backend `{job.backend}` converts nothing", reason="no_converter")
    conversion = _conversion(job, backend.conversions())
    if job.model.has_adapter and not backend.applies_adapters:
        raise PreconditionError(f"backend `{job.backend}` applies no adapters", reason="unsupported_adapter")
    # First, because it is quick and refuses what no conversion makes right.
    task = job.model.task
    encoders = _encoders_of(folder, job.model) if task == "embed" else {Path(): job.model}
    other = classifies_images(job.model.config) or classifies_audio(job.model.config)
    reads_texts = task in TEXTS and not (task == "classify" and other)
    tokenizers = tokenizers_to_add(task, folder) if reads_texts else {}
    for place, model in encoders.items():
        (out / place).mkdir(parents=True, exist_ok=True)
        backend.convert(model, conversion, folder / place, out / place)
    _complete(folder, out, encoders)
    if task == "embed":
        granted = "pickles" in job.model.grants
        if is_colbert(read_json(folder / "config.json", missing_ok=True)):
            keep_projection(folder, out, pickles=granted)
        _unpickle(out, is_granted=granted)
    # The converter may have written files of its own.
    made_of = {file: sources_digest(files) for file, files in tokenizer_places(task, out)} if tokenizers else {}
    for file, tokenizer in tokenizers.items():
        keep(msgspec.structs.replace(tokenizer, made_of=made_of[file]), out / file)
    return Converted(conversion.format, conversion.precision, conversion.engine_version)


def _conversion(job: Job, offered: Sequence[Conversion]) -> Conversion:
    for conversion in offered:
        if (conversion.format, conversion.precision) == (job.format, job.precision) and conversion.reads(
            job.model.format
        ):
            if conversion.reason:
                raise PreconditionError(conversion.reason, reason="not_installed")
            return conversion
    known = "; ".join(f"{', '.join(c.source_formats)} to {c.format} {c.precision}" for c in offered)
    raise PreconditionError(
        f"backend `{job.backend}` does not convert {job.model.format} to {job.format} {job.precision}; "
        f"it converts {known or 'nothing'}",
        reason="no_converter",
    )


def _encoders_of(folder: Path, model: ModelFacts) -> dict[Path, ModelFacts]:
    """What to convert, by where its weights lie within the model's folder.

    Older models keep them in `0_Transformer`; those with a Router may have several.

    Raises:
        PreconditionError: routes run one encoder with different heads, or look words up in a table.
    """
    try:
        files = read_embed_files(folder)
    except PreconditionError:  # the load tells it; a conversion of the bare transformer may be right all the same
        return {Path(): model}
    found: dict[Path, ModelFacts] = {}
    pickles = "pickles" in model.grants
    for way in files.ways:
        place = way.transformer_folder.relative_to(folder)
        made = dataclasses.replace(model, head=model_head(way, pickles=pickles))
        if files.routes:
            architecture = next(iter(way.config.get("architectures") or ()), "")
            made = dataclasses.replace(made, architecture=architecture, config=way.config)
            if is_word_table(made):  # asked before the other routes are converted, which takes long
                raise PreconditionError(ON_CPU_ALONE, reason="unsupported_model")
        if found.setdefault(place, made) != made:
            raise PreconditionError("the routes of a Router run one encoder with two heads; a conversion has one")
    return found


def _complete(folder: Path, out: Path, places: Collection[Path]) -> None:
    """Brings over what the converter did not write: configuration, tokenizer, the weights of later modules."""
    for source in sorted(folder.rglob("*")):
        relative = source.relative_to(folder)
        is_there = relative.parent in places
        if relative.parent in {place / FOLDER for place in places}:  # an adapter, which is merged
            continue
        replaced = relative.suffix == ".gguf" or (is_there and any(relative.match(pattern) for pattern in _WEIGHTS))
        target = out / relative
        if source.is_file() and not replaced and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            _link_or_copy(source, target)


def _unpickle(out: Path, *, is_granted: bool) -> None:
    """Turns pickled weights of later modules into safetensors, so that workers open no pickle."""
    files = read_embed_files(out)
    for step in [step for way in files.ways for step in way.steps]:
        if step.kind == PROJECTION:
            continue
        pickled = step.folder / PICKLED
        if pickled.is_file() and not (step.folder / SAFE).is_file():
            from safetensors.numpy import save_file  # which few models need

            save_file(read_step_weights(step.folder, step.kind, pickles=is_granted), step.folder / SAFE)
            pickled.unlink()


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def main() -> int:
    """Reads the job, does it and reports; the exit code."""
    limit_memory()
    report = claim_stdout()
    os.environ.update(OFFLINE)
    try:
        job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
        prepare_for_own_code(Path(job.folder), job.model.grants, job.model.format)
        outcome: Converted | Failed = convert(job)
    except msgspec.DecodeError as error:
        outcome = _failed(InvalidInputError(f"the job is not what was expected: {error}"))
    except PanopeError as error:
        traceback.print_exc()  # the cause, for the log
        outcome = _failed(error)
    except Exception as error:  # of any library below; the trace is for the log, not for the report
        traceback.print_exc()
        outcome = _failed(
            PreconditionError("the conversion needs more memory than it may have here", reason="insufficient_memory")
            if is_out_of_memory(error)
            else InternalError(f"the conversion failed: {kind_of(error)}; the log has more")
        )
    report(outcome)
    return 0 if outcome.ok else 1


def _failed(error: PanopeError) -> Failed:
    return Failed(error.default_reason, error.reason, error.message)


if __name__ == "__main__":
    sys.exit(main())
