"""A `hf_*` skill, made ready to be asked: a class with `init_<hardware>` and `create_<hardware>_…_endpoint_handler`.

Skills differ in what their methods take and give. What a method asks for by the name of a parameter it gets; what it
asks for and is not known is refused by that name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from panope_backends.engines.python.own_code import OwnCode, loading_code
from panope_backends.engines.python.tensors import wrong
from panope_backends.errors import PreconditionError
from panope_backends.python_models.layout import SKILL_PREFIX, skill_files

HARDWARE = "cpu"
"""What skills call the processor."""

_MOST_OF_NAME = 64

#: Parameters by which skills ask for the model: a folder is what `from_pretrained` takes without a network.
_MODEL_NAMES = ("model_name", "model_id", "model", "model_path", "endpoint_model", "pretrained_model_name_or_path")


class Skill:
    """A skill whose handler is ready.

    Args:
        folder: of the model's files, the skill among them.

    Attributes:
        ask: the handler: a text, or texts, to whatever it makes of them.
    """

    def __init__(self, folder: Path) -> None:
        files = skill_files([path.name for path in folder.iterdir()])
        if len(files) != 1:
            raise PreconditionError(f"the model has {len(files)} skills in place of one", reason="missing_file")
        self._code = OwnCode(folder / files[0], [folder])
        try:
            self.ask = _handler(_class_of(self._code), str(folder))
        except BaseException:
            self._code.close()
            raise

    def close(self) -> None:
        """Forgets it; a second time does nothing more."""
        vars(self).pop("ask", None)
        self._code.close()


def _class_of(code: OwnCode) -> Any:
    for name, value in vars(code.module).items():
        if name.startswith(SKILL_PREFIX) and isinstance(value, type) and value.__module__ == code.module.__name__:
            return value
    raise PreconditionError(f"the skill's file has no class whose name begins with `{SKILL_PREFIX}`", reason="no_class")


def _handler(kind: Any, folder: str) -> Callable[..., Any]:
    known: dict[str, Any] = dict.fromkeys(_MODEL_NAMES, folder) | {
        "resources": {},
        "metadata": {},
        "device": HARDWARE,
        "hardware_label": f"{HARDWARE}:0",
        f"{HARDWARE}_label": f"{HARDWARE}:0",
    }
    skill = _called(kind, known)
    begin = getattr(skill, f"init_{HARDWARE}", None) or getattr(skill, "init", None)
    if begin is None:
        raise PreconditionError(f"the skill has neither `init_{HARDWARE}` nor `init`", reason="missing_method")
    # As skills give it: the model, its tokenizer, the handler, a queue and the size of batches.
    begun = _called(begin, known)
    parts = begun if isinstance(begun, tuple) and len(begun) >= 3 else (None, None, None)
    if (given := _function(parts[2])) is not None:
        return given
    if isinstance(begun, tuple) and begun and all(part is None for part in parts[:3]) and len(begun) >= 3:
        raise PreconditionError(
            f"the skill's `{begin.__name__}` gave no model; the server's log may have what it printed",
            reason="load_failed",
        )
    make = next((getattr(skill, name) for name in dir(skill) if _makes_handler(name)), None)
    if make is None:
        raise PreconditionError(
            f"the skill has no method `create_{HARDWARE}_…_endpoint_handler`", reason="missing_method"
        )
    handler = _function(_called(make, known | {"endpoint": parts[0], "tokenizer": parts[1], "processor": parts[1]}))
    if handler is None:
        raise PreconditionError(f"the skill's `{make.__name__}` gives no function", reason="load_failed")
    return handler


def _function(given: object) -> Callable[..., Any] | None:
    return given if callable(given) else None


def _makes_handler(name: str) -> bool:
    return name.startswith(f"create_{HARDWARE}_") and name.endswith("endpoint_handler")


def _called(function: Any, known: Mapping[str, Any]) -> Any:
    """What a function gives for what it asks for by its parameters' names."""
    arguments = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if name in known:
            arguments[name] = known[name]
        elif parameter.default is parameter.empty:
            asks = getattr(function, "__name__", "")[:_MOST_OF_NAME]
            raise PreconditionError(
                f"the skill's `{asks}` asks for `{name[:_MOST_OF_NAME]}`, which is not known here", reason="load_failed"
            )
    with loading_code():
        return function(**arguments)


def plain(value: Any) -> Any:
    """What a handler gave, as JSON has it: tensors and arrays as lists.

    Raises:
        InternalError: it says that it failed, or gave what JSON has nothing for.
    """
    if isinstance(value, Mapping):
        if value.get("success") is False:
            raise wrong("says that it failed; the server's log may have what it printed")
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, str | bool | int | float) or value is None:
        return value
    if isinstance(value, np.ndarray | np.generic) or hasattr(value, "detach"):
        return np.asarray(value.detach().cpu().float() if hasattr(value, "detach") else value).tolist()
    raise wrong(f"gives a {type(value).__name__[:_MOST_OF_NAME]}, which is no answer in JSON")
