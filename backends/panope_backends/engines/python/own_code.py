"""Imports a model's own file, and turns what goes wrong in it into errors that callers may read.

The text of an exception may tell paths of this machine and what other callers sent, so a caller hears its class alone;
the stack goes to the log, as the error's cause.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from panope_backends.errors import InternalError, PanopeError, PreconditionError, kind_of
from panope_backends.isolation.memory_limit import is_out_of_memory

CODE_FAILED = "model_code_failed"
"""The reason of errors that a model's own code raised."""

_MOST_OF_TEXT = 500


class OwnCode:
    """A module that was imported from a model's folder.

    Its folders stand at the end of the path of modules, so that a file of its own named as one of Python's, such as
    `types.py`, is in nobody's way. Nothing is written beside it: the store's files are shared and read-only.

    Args:
        file: to import.
        folders: that its own imports are found in.
        provided: modules that it may import, by their names.
    """

    def __init__(self, file: Path, folders: Sequence[Path], provided: Sequence[ModuleType] = ()) -> None:
        self._folders = [str(folder) for folder in folders]
        self._wrote_bytecode, sys.dont_write_bytecode = not sys.dont_write_bytecode, True
        sys.path.extend(self._folders)
        sys.modules.update({module.__name__: module for module in provided})
        spec = importlib.util.spec_from_file_location(file.stem, file)
        assert spec is not None  # it is a file of Python's by its name
        assert spec.loader is not None
        self.module = importlib.util.module_from_spec(spec)
        # Where classes of the model are looked for by their module's name, as dataclasses do.
        self._shadowed, sys.modules[file.stem] = sys.modules.get(file.stem), self.module
        try:
            with loading_code():
                spec.loader.exec_module(self.module)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Forgets it, with all that it imported from its folders; a second time does nothing more."""
        sys.path[:] = [entry for entry in sys.path if entry not in self._folders]
        for name, module in list(sys.modules.items()):
            if _lies_in(module, self._folders):
                del sys.modules[name]
        if self._shadowed is not None:
            sys.modules[self.module.__name__] = self._shadowed
        if self._wrote_bytecode:
            sys.dont_write_bytecode = False


def _lies_in(module: ModuleType, folders: Sequence[str]) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and any(file.startswith(f"{folder}/") for folder in folders)


@contextmanager
def loading_code() -> Iterator[None]:
    """Raises what a model's code raises while it is loaded as why the model cannot be.

    Raises:
        PreconditionError: a module is not there, or memory.
        InternalError: anything else.
    """
    try:
        yield
    except PanopeError:
        raise
    except ModuleNotFoundError as error:
        told = f"the model's own code cannot be loaded: {kind_of(error)} where its worker runs"
        raise PreconditionError(told, reason="not_installed") from error
    except (Exception, SystemExit) as error:
        if is_out_of_memory(error):
            told = "the model's own code needs more memory than its worker may have"
            raise PreconditionError(told, reason="insufficient_memory") from error
        told = f"the model's own code cannot be loaded: {kind_of(error)}; the server's log has more"
        raise InternalError(told, reason=CODE_FAILED) from error


@contextmanager
def running_code() -> Iterator[None]:
    """Raises what a model's code raises while it runs as what its caller may read.

    Raises:
        InternalError: always; MemoryErrors pass, which the worker knows what to say of.
    """
    try:
        yield
    except PanopeError:
        raise
    except (Exception, SystemExit) as error:
        if is_out_of_memory(error):
            raise
        told = f"the model's own code failed: {kind_of(error)}; the server's log has more"
        raise InternalError(told, reason=CODE_FAILED) from error


def text_for_caller(text: object, folder: Path) -> str:
    """What a model's author wrote to its callers, on one line; empty where it tells of this machine.

    Args:
        text: of the model.
        folder: that its files lie in.
    """
    line = " ".join(str(text).split())[:_MOST_OF_TEXT]
    places = {str(folder), str(folder.resolve()), str(Path.home()), sys.prefix, sys.base_prefix, tempfile.gettempdir()}
    is_stack = "Traceback (most recent call last)" in line or 'File "' in line
    return "" if is_stack or any(place in line for place in places if place != "/") else line
