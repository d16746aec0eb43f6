"""Loads a pipeline of diffusers from a model's files, with nothing of them executed."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from panope_backends.api import DiffusionModel, ModelFacts
from panope_backends.engines.packages import version_of
from panope_backends.engines.torch.devices.torch_device import HOST, TorchDevice
from panope_backends.engines.torch.diffusion.facts import CLASS, MAX_NAME, begins_from, parts_of
from panope_backends.errors import PreconditionError
from panope_backends.isolation.memory_limit import is_out_of_memory

PIPELINE = "pipeline"


def load_pipeline(
    model: ModelFacts, folder: Path, precision: str, threads: int, device: TorchDevice = HOST
) -> DiffusionModel:
    """Loads safetensors; `threads` 0 keeps torch's own number.

    Raises:
        PreconditionError: the pipeline cannot be loaded; a class that is not known is named.
    """
    import torch

    from panope_backends.engines.torch.diffusion.model import PipelineModel  # it brings diffusers

    if threads:
        torch.set_num_threads(threads)  # for the whole process, which holds this one model
    with quiet():
        diffusers = importlib.import_module("diffusers")
        classes = _classes(diffusers, model)
        pipeline = device.place(_loaded(diffusers, classes, folder, precision))
        begins = begins_from(classes[PIPELINE].__name__, model.task)
        if "image" in begins and "image" not in inspect.signature(pipeline.__call__).parameters:
            raise PreconditionError(
                f"the pipeline {classes[PIPELINE].__name__} begins from something else than a text or an image",
                reason="unsupported_model",
            )
        return PipelineModel(pipeline, begins, precision, device)


def _classes(diffusers: Any, model: ModelFacts) -> dict[str, Any]:
    """The classes of the parts, and of the pipeline under the name `PIPELINE`.

    Raises:
        PreconditionError: one is not known; it is named.
    """
    libraries = {"diffusers": diffusers, "transformers": importlib.import_module("transformers")}
    try:
        parts = parts_of(model.config)
    except ValueError:
        raise PreconditionError("model_index.json is broken", reason="load_failed") from None
    found = {}
    for part, (library, kind) in {PIPELINE: ("diffusers", str(model.config.get(CLASS))), **parts}.items():
        # A pipeline's own part, such as its safety checker, lies beside it in diffusers.
        home = libraries.get(library) or getattr(diffusers.pipelines, library, None)
        if home is None or not hasattr(home, kind):
            package = library if library in libraries else "diffusers"
            raise PreconditionError(
                f"the part `{part}` is a `{kind[:MAX_NAME]}`, which {package} {version_of(package)} has not",
                reason="unsupported_model",
            )
        found[part] = getattr(home, kind)
    return found


def _loaded(diffusers: Any, classes: Mapping[str, Any], folder: Path, precision: str) -> Any:
    import torch

    kinds = diffusers.ModelMixin, importlib.import_module("transformers").PreTrainedModel
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    options = {"use_safetensors": True, "local_files_only": True}
    try:
        # Each by itself, for only so do the libraries tell which weights were missing, and are random numbers now.
        parts = {
            name: _part(kind, folder / name, options | {_dtype_name(kind, kinds[0]): dtype}, name)
            for name, kind in classes.items()
            if isinstance(kind, type) and issubclass(kind, kinds)
        }
        return classes[PIPELINE].from_pretrained(folder, torch_dtype=dtype, **parts, **options)
    except PreconditionError:
        raise
    except Exception as error:  # parts are checked by errors of no family
        if is_out_of_memory(error):
            raise PreconditionError(
                "loading the model needs more memory than it may have here", reason="insufficient_memory"
            ) from error
        raise PreconditionError("diffusers refuses the model's files", reason="load_failed") from error


def _part(kind: Any, folder: Path, options: Mapping[str, Any], name: str) -> Any:
    module, report = kind.from_pretrained(folder, output_loading_info=True, **options)
    if missing := sorted(report["missing_keys"]):
        raise PreconditionError(
            f"the files of the part `{name}` lack {len(missing)} weights, such as `{missing[0]}`",
            reason="missing_weights",
        )
    return module.eval()


def _dtype_name(kind: Any, of_diffusers: Any) -> str:
    return "torch_dtype" if issubclass(kind, of_diffusers) else "dtype"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without progress bars and advice for people who load models themselves."""
    logs = importlib.import_module("diffusers.utils.logging")
    logs.disable_progress_bar()
    logs.set_verbosity_error()
    importlib.import_module("transformers").utils.logging.disable_progress_bar()
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
