"""Loads a transformers model: the base model, by its configuration, with nothing else executed.

Weights are safetensors. With an admin's grants (`ModelFacts.grants`) they may be PyTorch's pickles, which are read as
data alone, and the model's own Python files may run.

Used by the cpu engine to run it and by the openvino engine to convert it, so that both give the same names:
`input_ids`, `attention_mask` and, where the model tells segments apart, `token_type_ids` (int64, batch × tokens), and
`last_hidden_state` (float32, batch × tokens × hidden size).
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import io
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from panope_backends.api import Level, ModelFacts, Support
from panope_backends.engines.config_checks import check_layers
from panope_backends.errors import PreconditionError
from panope_backends.memory_limit import is_out_of_memory
from panope_backends.weights_support import decoder_of, packing_of

OUTPUT = "last_hidden_state"

TORCH_FORMATS = ("safetensors", "pytorch")

#: The auto classes that load a base model; code for the others, such as a head's, is not asked for then.
_LOADED_BY = frozenset({"AutoConfig", "AutoModel"})

#: Tasks that work from hidden states; the others need a head that the base model leaves out.
_HEADLESS_TASKS = ("", "embed")


def transformer_support(model: ModelFacts) -> Support:
    """Says from facts alone whether `load_transformer` can work; transformers is imported for odd ones alone."""
    if model.task not in _HEADLESS_TASKS:
        return Support(Level.NONE, f"safetensors run for the task `embed`, not yet for `{model.task}`")
    if "remote_code" not in model.grants and _needs_own_code(model):
        return Support(
            Level.NONE,
            "config.json asks for code of the model's own (`auto_map`), and `grants.remote_code` does not list it",
        )
    if model.format == "pytorch" and "pickles" not in model.grants:
        return Support(Level.NONE, "its weights are pickled, and `grants.pickles` does not list it")
    if packing := packing_of(model.config):
        return Support(Level.NONE, packing)
    if not model.config.get("model_type"):
        return Support(Level.NONE, "config.json names no model_type")
    if model.config.get("is_encoder_decoder") and model.task != "embed":
        return Support(Level.NONE, "encoder-decoder models need a decoder's inputs")
    if decoder := decoder_of(model.config):
        return Support(Level.NONE, decoder)
    return Support(Level.FULL, "transformers runs the base model")


def load_transformer(
    model: ModelFacts, folder: Path, precision: str, attention: str | None = None
) -> tuple[Any, tuple[str, ...]]:
    """Loads the base model, ready to run.

    Args:
        model: what is known of it.
        folder: its files.
        precision: `fp32` or `bf16`, which the weights are brought to.
        attention: transformers' name for a way to compute attention; None for the fastest that the model has.

    Returns:
        The torch module and the names of its inputs.

    Raises:
        PreconditionError: the architecture is unknown, needs code of its own, or weights are missing or of another
            shape than the configuration says.
    """
    support = transformer_support(model)
    if support.level is Level.NONE:
        raise PreconditionError(f"the model cannot be loaded: {support.reason}", reason="unsupported_model")
    check_layers(model.config, folder)
    if (folder / "adapter_config.json").exists():
        # With PEFT installed transformers would apply it, and pass it over without.
        raise PreconditionError("adapters are not applied; merge it into the weights", reason="unsupported_adapter")
    torch, transformers = _import("torch"), _import("transformers")
    loader = transformers.AutoModelForTextEncoding if model.config.get("is_encoder_decoder") else transformers.AutoModel
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    with _quiet(transformers), _own_code(model) as code:
        try:
            module, report = loader.from_pretrained(
                folder,
                dtype=dtype,
                attn_implementation=attention,
                use_safetensors=model.format != "pytorch",
                weights_only=True,  # torch reads pickles as data: nothing that they name is called
                local_files_only=True,
                trust_remote_code=bool(code),
                output_loading_info=True,
            )
        except Exception as error:  # configurations are checked by errors of no family, models' own code raises any
            if is_out_of_memory(error):
                raise PreconditionError(
                    "loading the model needs more memory than it may have here", reason="insufficient_memory"
                ) from error
            raise PreconditionError("transformers refuses the model's files", reason="load_failed") from error
        if code:  # which may import more of itself while it runs
            weakref.finalize(module, shutil.rmtree, code, ignore_errors=True)
    # transformers fills missing weights with random numbers; only the pooler may be absent, which is not run.
    missing = sorted(key for key in report["missing_keys"] if "pooler" not in key.split("."))
    if missing:
        raise PreconditionError(
            f"the model's files lack {len(missing)} weights, such as `{missing[0]}`", reason="missing_weights"
        )
    module.config.return_dict = True  # results are taken by their names, whatever config.json says
    return module.eval(), _input_names(module)


def _input_names(module: Any) -> tuple[str, ...]:
    names = ["input_ids", "attention_mask"]
    # RoBERTa's kin take token types and have one only; their tokenizers give none.
    if "token_type_ids" in inspect.signature(module.forward).parameters and (
        getattr(module.config, "type_vocab_size", 0) > 1
    ):
        names.append("token_type_ids")
    return tuple(names)


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise PreconditionError(
            f"the package `{error.name}` is not installed: pip install 'panope-serving[torch]'", reason="not_installed"
        ) from None


def _needs_own_code(model: ModelFacts) -> bool:
    """Whether the model asks for Python of its folder, in the place of a class of transformers or of one it lacks."""
    auto_map = model.config.get("auto_map")
    if not auto_map:
        return False
    # A class of the same name may compute something else, so code that is asked for is never passed over.
    if not isinstance(auto_map, dict) or _LOADED_BY.intersection(auto_map):
        return True
    if importlib.util.find_spec("transformers") is None:
        return True
    types = _import("transformers.models.auto.configuration_auto").CONFIG_MAPPING_NAMES
    name = next(iter(model.config.get("architectures") or ()), model.architecture)
    # The package lists its names without importing what is behind them.
    return model.config.get("model_type") not in types or name not in dir(_import("transformers"))


@contextlib.contextmanager
def _own_code(model: ModelFacts) -> Iterator[str]:
    """A folder of this process's own for the Python that transformers copies and runs; empty when it may run none."""
    if not _needs_own_code(model):
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
