"""Code that a model's files ask for: which file asks, where that code lies, and whether it may run.

transformers runs such code in the place of its own classes, also of classes that it knows by the same name. A model
that asks for code is therefore another model without it, and is never run without it (docs/decisions/0212).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from panope_backends.errors import PreconditionError
from panope_backends.model_facts.code_repos import SEPARATOR
from panope_registry.inspect.grants import REMOTE_CODE
from panope_registry.names import shown

#: Files that may ask for code, by `auto_map`.
ASKING_FILES = ("config.json", "tokenizer_config.json", "processor_config.json", "preprocessor_config.json")

#: What embedding a text loads: no head, and nothing for images and audio.
_EMBEDS_WITH = frozenset({"AutoConfig", "AutoModel", "AutoTokenizer"})

#: What reads texts. It is needed whatever runs the weights; graphs hold the rest of the code themselves.
_READERS = frozenset({"AutoTokenizer", "AutoProcessor"})


@dataclass(frozen=True)
class CodeRequest:
    """One line of an `auto_map`.

    Attributes:
        file: that asks.
        auto_class: whose place the code takes, such as `AutoModel`; empty where the file does not say.
        target: `module.Class`, or `other/repo--module.Class`.
    """

    file: str
    auto_class: str
    target: str

    @property
    def repo(self) -> str:
        """The other repo that has the code; empty for the model's own."""
        return self.target.rpartition(SEPARATOR)[0]

    @property
    def module_file(self) -> str:
        """The file of the code, within its repo or beside the file that asks."""
        place = self.target.rpartition(SEPARATOR)[2]
        module = place.rpartition(".")[0] or place
        return f"{module.replace('.', '/')}.py"

    @property
    def code_file(self) -> str:
        """Where the code lies, beside the file that asks; of another repo, with its name."""
        if self.repo:
            return f"{self.repo}{SEPARATOR}{self.module_file}"
        return str(PurePosixPath(self.file).parent / self.module_file)

    @property
    def is_for_reading(self) -> bool:
        """Whether it reads texts, and does not compute."""
        return self.auto_class in _READERS


def code_asked_for(documents: Mapping[str, Mapping[str, Any]], task: str, *, is_known: bool) -> tuple[CodeRequest, ...]:
    """Returns what code the task needs.

    Args:
        documents: the parsed files of `ASKING_FILES` that there are.
        task: of the model; empty for any.
        is_known: whether transformers has the class and the type that config.json names.
    """
    asked = [request for file, document in documents.items() for request in _requests(file, document)]
    if task == "embed" and is_known:
        asked = [request for request in asked if request.auto_class in _EMBEDS_WITH or not request.auto_class]
    return tuple(asked)


def refuse_impossible_code(asked: Collection[CodeRequest], files: Collection[str]) -> None:
    """Refuses code that no grant can let run: it is not in the folder, or is a tokenizer's.

    What other repos have is looked for when the model is recorded.

    Raises:
        PreconditionError: naming the file that asks.
    """
    for request in asked:
        if request.is_for_reading:
            raise PreconditionError(
                f"`{request.file}` asks for a tokenizer in the model's own code (`auto_map`: "
                f"`{shown(request.code_file)}`), which Panope does not run; save the tokenizer as tokenizer.json by "
                "itself, and take the entry out",
                reason=REMOTE_CODE,
            )
        if not request.repo and request.code_file not in files:
            raise PreconditionError(
                f"`{request.file}` asks for code in `{shown(request.code_file)}` (`auto_map`), which is not in the "
                "folder",
                reason=REMOTE_CODE,
            )


def refusal(request: CodeRequest) -> PreconditionError:
    """Returns the error for a model that may not run its code."""
    whose = f"from the repo `{shown(request.repo)}`" if request.repo else f"in `{shown(request.code_file)}`"
    return PreconditionError(
        f"`{request.file}` asks for code {whose} (`auto_map`: `{shown(request.target)}`), which Panope does not run "
        "unless the setting `grants.remote_code` lists the model" + (" and that repo" if request.repo else ""),
        reason=REMOTE_CODE,
    )


def _requests(file: str, document: Mapping[str, Any]) -> Iterator[CodeRequest]:
    auto_map = document.get("auto_map")
    if not auto_map:
        return
    # Older tokenizers have a list in the place of the map.
    classes = auto_map if isinstance(auto_map, dict) else {_sole_class(file): auto_map}
    for auto_class, targets in classes.items():
        for target in targets if isinstance(targets, list) else [targets]:
            if target is None:  # a tokenizer without a fast form, or without a slow one
                continue
            if not isinstance(target, str):
                raise PreconditionError(f"`{file}` has an `auto_map` that names no code", reason=REMOTE_CODE)
            yield CodeRequest(file, str(auto_class), target)


def _sole_class(file: str) -> str:
    return "AutoTokenizer" if file.endswith("tokenizer_config.json") else ""
