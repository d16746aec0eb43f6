"""`hf_*.py` skills: files with a class for one model, with methods for each kind of hardware.

They are code, so they are read and never imported: their syntax tree tells the class, the model that it asks for, the
task and the hardware.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from panope_backends.errors import InvalidInputError
from panope_backends.python_models.layout import SKILL_PREFIX
from panope_registry.inspect.file_bytes import Header, forward
from panope_registry.inspect.tasks.task_maps import task_word
from panope_registry.names import shown

MAX_BYTES = 256 << 10
"""Of one file. A tree takes up to 500 times the bytes of its text: 130 MB for a file of this size made to hurt."""

#: What skills call their hardware -> the backend that it is here.
HARDWARE = {
    "cpu": "cpu",
    "cuda": "torch-cuda",
    "rocm": "torch-rocm",
    "mps": "mps",
    "apple": "mps",
    "openvino": "openvino",
    "qualcomm": "qnn",
    "qnn": "qnn",
}

#: What a name of a variable, parameter or key must be for its value to be the model's name, the likeliest first.
_NAMES = ("model_name", "model_id", "default_model", "model", "pretrained_model_name_or_path")

#: Tasks in the names of methods that are not the hub's words.
_WORDS = {
    "text-embedding": "embed",
    "embedding": "embed",
    "speech-recognition": "transcribe",
    "asr": "transcribe",
    "speech-to-text": "transcribe",
    "visual-question-answering": "generate",
    "chat": "generate",
    "llm": "generate",
}

_INIT = re.compile(r"init_(\w+)")
_HANDLER = re.compile(rf"create_(?:{'|'.join(HARDWARE)})_(\w+?)_?endpoint_handler")


@dataclass(frozen=True)
class Skill:
    """What a skill says of itself.

    Attributes:
        task: empty when the names of its handlers say none that is known.
        facts: for people: `class`, and as far as it says them `model`, `architecture` and `hardware`.
    """

    task: str
    facts: Mapping[str, str]


def read_skill(file: Header) -> Skill:
    """Returns what a file says.

    Raises:
        InvalidInputError: it is no skill.
    """
    skill = _skill(_tree(file))
    methods = [node.name for node in skill.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return Skill(next(_tasks(methods), ""), dict(_facts(skill, methods)))


def _tree(file: Header) -> ast.Module:
    try:
        with forward(file) as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError:
        raise InvalidInputError("it cannot be read", field="folder") from None
    if len(data) > MAX_BYTES:
        raise InvalidInputError(f"it is larger than {MAX_BYTES >> 10} KiB", field="folder")
    try:
        return ast.parse(data)
    except SyntaxError as error:
        raise InvalidInputError(f"it is no Python: line {error.lineno}", field="folder") from None
    except (ValueError, RecursionError, MemoryError):  # MemoryError is how the parser tells of its own stack
        raise InvalidInputError("it is no Python that can be read", field="folder") from None


def _skill(tree: ast.Module) -> ast.ClassDef:
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name.startswith(SKILL_PREFIX):
            return node
    raise InvalidInputError(f"it has no class whose name begins with `{SKILL_PREFIX}`", field="folder")


def _facts(skill: ast.ClassDef, methods: Sequence[str]) -> Iterator[tuple[str, str]]:
    yield "class", shown(skill.name)
    said = list(_strings(skill))
    for wanted in _NAMES:
        named = next((value for name, value in said if name == wanted and value), "")
        if named:
            yield "model", shown(named)
            break
    for wanted in ("architecture", "architecture_type", "model_type"):
        named = next((value for name, value in said if name == wanted and value), "")
        if named:
            yield "architecture", shown(named)
            break
    hardware = [match[1] for match in map(_INIT.fullmatch, methods) if match and match[1] in HARDWARE]
    if hardware:
        yield "hardware", ", ".join(dict.fromkeys(HARDWARE[name] for name in hardware))


def _strings(skill: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """Yields the texts of the class that have a name: assigned, a default, under a key, or passed to a call."""
    for node in ast.walk(skill):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield _name_of(target), _text_of(node.value)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield _name_of(node.target), _text_of(node.value)
        elif isinstance(node, ast.arguments):
            plain = [*node.posonlyargs, *node.args]
            with_default = plain[len(plain) - len(node.defaults) :]
            pairs = [
                *zip(with_default, node.defaults, strict=True),
                *zip(node.kwonlyargs, node.kw_defaults, strict=True),
            ]
            yield from ((parameter.arg, _text_of(default)) for parameter, default in pairs)
        elif isinstance(node, ast.Dict):
            yield from ((_text_of(key), _text_of(value)) for key, value in zip(node.keys, node.values, strict=True))
        elif isinstance(node, ast.Call):
            yield from ((keyword.arg or "", _text_of(keyword.value)) for keyword in node.keywords)
            if _name_of(node.func) == "from_pretrained" and node.args:
                yield "pretrained_model_name_or_path", _text_of(node.args[0])


def _name_of(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _text_of(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _tasks(methods: Sequence[str]) -> Iterator[str]:
    """Yields the tasks that the names of handlers say, such as `create_cpu_text_embedding_endpoint_handler`."""
    for match in map(_HANDLER.fullmatch, methods):
        word = match[1].replace("_", "-") if match else ""
        if task := _WORDS.get(word) or task_word(word):
            yield task
