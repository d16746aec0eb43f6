"""Loads what transformers has a class for, from a model's files, with nothing else executed.

Weights are safetensors. With an admin's grants (`ModelFacts.grants`) they may be PyTorch's pickles, which are read as
data alone, and the model's own Python files may run.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from panope_backends.api import ModelFacts
from panope_backends.engines.config_checks import check_built
from panope_backends.engines.packages import missing_reason
from panope_backends.engines.torch.code_repos import beside_code
from panope_backends.engines.torch.static_embedding import is_static
from panope_backends.errors import PreconditionError
from panope_backends.isolation.memory_limit import is_out_of_memory
from panope_backends.lora import CONFIG, FOLDER
from panope_backends.model_facts.weights_support import packing_of

TORCHAO = "torchao"
"""The format of weights that torchao has quantized and transformers has written; made here alone."""

TORCH_FORMATS = ("safetensors", "pytorch", TORCHAO)


def files_refusal(model: ModelFacts, auto_class: str) -> str:
    """Why a model's files are not loaded, from facts alone; empty when they are.

    transformers is imported for odd ones alone.

    Args:
        model: what is known of it.
        auto_class: the one of transformers' auto classes that would load it.
    """
    if "remote_code" not in model.grants and _needs_own_code(model, auto_class):
        return "config.json asks for code of the model's own (`auto_map`), and `grants.remote_code` does not list it"
    if model.format == "pytorch" and "pickles" not in model.grants:
        return "its weights are pickled, and `grants.pickles` does not list it"
    if model.format == TORCHAO:
        if missing := missing_reason("torchao", "torchao"):
            return missing
    elif packing := packing_of(model.config):
        return packing
    return unknown_type(model)


MAX_NAME = 64
"""Longer than any type's name."""


def unknown_type(model: ModelFacts) -> str:
    """Why transformers has no class for the model's type; empty when it has one, or the model brings it."""
    if is_static(model):
        return ""
    model_type = model.config.get("model_type")
    if not model_type or not isinstance(model_type, str):
        return "config.json names no model_type"
    if "remote_code" in model.grants and model.config.get("auto_map"):
        return ""
    package = importlib.util.find_spec("transformers")
    if package is None or package.origin is None:
        return ""  # which backends say by themselves
    folder = model_type.replace("-", "_")
    if folder.isidentifier() and len(folder) <= MAX_NAME and (Path(package.origin).parent / "models" / folder).is_dir():
        return ""
    # Some types live in a folder of another name: importing the list of all takes a second.
    if model_type in _import("transformers.models.auto.configuration_auto").CONFIG_MAPPING_NAMES:
        return ""
    return f"transformers has no models of the type {model_type[:MAX_NAME]!r}"


def load_pretrained(
    model: ModelFacts,
    folder: Path,
    precision: str,
    auto_class: str,
    attention: str | Mapping[str, str] | None = None,
    *,
    may_lack: str = "",
    parts: int = 1,
) -> Any:
    """As `load_partly`, the module alone."""
    module, _ = load_partly(model, folder, precision, auto_class, may_lack, attention, parts=parts)
    return module


def load_partly(
    model: ModelFacts,
    folder: Path,
    precision: str,
    auto_class: str,
    may_lack: str,
    attention: str | Mapping[str, str] | None = None,
    *,
    parts: int = 1,
) -> tuple[Any, bool]:
    """Loads a model, ready to run.

    Args:
        model: what is known of it; `files_refusal` has nothing against it.
        folder: its files; an adapter in it (`lora.FOLDER`) is merged into the weights.
        precision: `fp32`, `bf16` or `fp16`, which the weights are brought to.
        auto_class: the one of transformers' auto classes that loads it.
        may_lack: a part of the model, by its name, whose weights may be missing; empty for none.
        attention: transformers' name for a way to compute attention, or one for each part of the model that is named;
            None for the fastest that the model has.
        parts: that the model is divided into by transformers' own plan, among the processes of this one's group in
            `torch.distributed`; 1 for a whole model.

    Returns:
        The module, and whether the weights of that part are missing, so that they are random numbers.

    Raises:
        PreconditionError: the architecture is unknown, or weights are missing or of another shape than the
            configuration says.
    """
    check_built(model.config, folder)
    if (folder / CONFIG).exists():
        # With PEFT installed transformers would apply it, and pass it over without.
        raise PreconditionError("an adapter is without its base model", reason="unsupported_adapter")
    torch, transformers = _import("torch"), _import("transformers")
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    divided = {} if parts == 1 else {"distributed_config": transformers.distributed.DistributedConfig(tp_size=parts)}
    with _quiet(transformers), _own_code(model, auto_class) as code:
        place = beside_code(folder, Path(code)) if code else folder
        try:
            module, report = getattr(transformers, auto_class).from_pretrained(
                place,
                dtype=dtype,
                attn_implementation=attention,
                use_safetensors=model.format != "pytorch",
                weights_only=True,  # torch reads pickles as data: nothing that they name is called
                local_files_only=True,
                trust_remote_code=bool(code),
                output_loading_info=True,
                **divided,
            )
        except Exception as error:  # configurations are checked by errors of no family, models' own code raises any
            if is_out_of_memory(error):
                raise PreconditionError(
                    "loading the model needs more memory than it may have here", reason="insufficient_memory"
                ) from error
            raise PreconditionError("transformers refuses the model's files", reason="load_failed") from error
        if code:  # which may import more of itself while it runs
            weakref.finalize(module, shutil.rmtree, code, ignore_errors=True)
    # transformers fills missing weights with random numbers.
    missing = sorted(key for key in report["missing_keys"] if not _is_of(may_lack, key))
    if missing:
        raise PreconditionError(
            f"the model's files lack {len(missing)} weights, such as `{missing[0]}`", reason="missing_weights"
        )
    if (folder / FOLDER).is_dir():
        from panope_backends.engines.torch.adapter import merge_adapter  # it brings torch

        merge_adapter(module, folder / FOLDER)
    module.config.return_dict = True  # results are taken by their names, whatever config.json says
    return module.eval(), any(_is_of(may_lack, key) for key in report["missing_keys"])


def _is_of(part: str, key: str) -> bool:
    return bool(part) and part in key.split(".")


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise PreconditionError(
            f"the package `{error.name}` is not installed: pip install 'panope-serving[torch]'", reason="not_installed"
        ) from None


def _needs_own_code(model: ModelFacts, auto_class: str) -> bool:
    """Whether the model asks for Python of its folder, in the place of a class of transformers or of one it lacks."""
    auto_map = model.config.get("auto_map")
    if not auto_map:
        return False
    # A class of the same name may compute something else, so code that is asked for is never passed over.
    if not isinstance(auto_map, dict) or {"AutoConfig", "AutoModel", auto_class}.intersection(auto_map):
        return True
    if importlib.util.find_spec("transformers") is None:
        return True
    types = _import("transformers.models.auto.configuration_auto").CONFIG_MAPPING_NAMES
    name = next(iter(model.config.get("architectures") or ()), model.architecture)
    # The package lists its names without importing what is behind them.
    return model.config.get("model_type") not in types or name not in dir(_import("transformers"))


@contextlib.contextmanager
def _own_code(model: ModelFacts, auto_class: str) -> Iterator[str]:
    """A folder of this process's own for the Python that transformers copies and runs; empty when it may run none."""
    if not _needs_own_code(model, auto_class):
        yield ""
        return
    cache: Any = importlib.import_module("transformers.dynamic_module_utils")
    folder = tempfile.mkdtemp(prefix="panope-code-")
    usual, cache.HF_MODULES_CACHE = cache.HF_MODULES_CACHE, folder
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        cache.HF_MODULES_CACHE = usual


@contextlib.contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Without progress bars; what transformers says of weights is judged above."""
    transformers.utils.logging.disable_progress_bar()
    with contextlib.redirect_stderr(io.StringIO()):
        yield
