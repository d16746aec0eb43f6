"""What a file is, by its name: only what is known to be safe is imported."""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import StrEnum
from pathlib import PurePosixPath

from panope_registry.inspect.grants import PICKLES, REMOTE_CODE


class FileKind(StrEnum):
    """What a file is for."""

    WEIGHTS = "weights"
    CONFIG = "config"
    TOKENIZER = "tokenizer"
    DOCUMENT = "document"
    UNSAFE = "unsafe"
    """Weights in a form that can run code when it is opened, such as a pickle."""
    CODE = "code"
    GRANTED_CODE = "granted_code"
    """Python that the model brings and that an admin lets its worker run."""
    OTHER = "other"


#: Kept in the store; everything else is listed and left where it is.
IMPORTED = frozenset({FileKind.WEIGHTS, FileKind.CONFIG, FileKind.TOKENIZER, FileKind.DOCUMENT, FileKind.GRANTED_CODE})

#: Part of every variant of a model, beside its weights.
SUPPORTING = frozenset({FileKind.CONFIG, FileKind.TOKENIZER, FileKind.GRANTED_CODE})

#: PyTorch's pickled weights under the names by which transformers finds them.
PICKLED_WEIGHTS = re.compile(r"pytorch_model(-\d{5}-of-\d{5})?\.bin")

_BY_SUFFIX = {
    FileKind.WEIGHTS: ".safetensors .onnx .onnx_data .gguf",
    FileKind.CONFIG: ".json .yaml .yml .jinja .jinja2 .pbtxt",
    FileKind.TOKENIZER: ".model .vocab .merges .tiktoken .spm .bpe",
    FileKind.DOCUMENT: ".md .txt .rst .gitattributes",
    FileKind.UNSAFE: ".bin .pt .pth .ckpt .h5 .hdf5 .keras .pkl .pickle .joblib .npy .npz .msgpack .pb .ot .pdparams "
    ".nemo .mar .torchscript .ptl",
    FileKind.CODE: ".py .so .dll .dylib .sh .ipynb",
}
_SUFFIXES = {suffix: kind for kind, suffixes in _BY_SUFFIX.items() for suffix in suffixes.split()}

_TOKENIZER_NAMES = frozenset(
    {"vocab.txt", "merges.txt", "vocab.json", "merges.json", "tokenizer.json", "tokenizer_config.json"}
    | {"special_tokens_map.json", "added_tokens.json", "openvino_tokenizer.xml", "openvino_detokenizer.xml"}
    | {"openvino_tokenizer.bin", "openvino_detokenizer.bin"}
)
#: Settings of ColBERT's, which its own code writes beside the weights.
_CONFIG_NAMES = frozenset({"artifact.metadata"})
_DOCUMENT_NAMES = frozenset({"license", "notice", "readme", ".gitattributes", ".gitignore"})


def is_pickled(path: str) -> bool:
    """Returns whether a file holds weights as PyTorch pickles them, those of sentence-transformers' modules too."""
    return PICKLED_WEIGHTS.fullmatch(PurePosixPath(path).name) is not None


def kinds_of(paths: Collection[str], grants: Collection[str] = ()) -> dict[str, FileKind]:
    """Returns the kind of every file; some depend on a neighbour: `x.bin` beside `x.xml` has OpenVINO weights.

    Args:
        paths: of all files.
        grants: of the model; with them pickled weights are weights, and its Python files are part of it.
    """
    present = set(paths)
    kinds = {path: _kind_of(PurePosixPath(path), present) for path in paths}
    if PICKLES in grants:
        kinds |= {path: FileKind.WEIGHTS for path in paths if is_pickled(path)}
    if REMOTE_CODE in grants:
        kinds |= {path: FileKind.GRANTED_CODE for path in paths if path.endswith(".py")}
    return kinds


def _kind_of(path: PurePosixPath, present: set[str]) -> FileKind:
    name, suffix = path.name.lower(), path.suffix.lower()
    if name in _TOKENIZER_NAMES:
        return FileKind.TOKENIZER
    if name in _CONFIG_NAMES:
        return FileKind.CONFIG
    if name in _DOCUMENT_NAMES:
        return FileKind.DOCUMENT
    if suffix == ".xml" and str(path.with_suffix(".bin")) in present:
        return FileKind.WEIGHTS
    if suffix == ".bin" and str(path.with_suffix(".xml")) in present:
        return FileKind.WEIGHTS
    if name.endswith(".onnx.data"):
        return FileKind.WEIGHTS
    return _SUFFIXES.get(suffix, FileKind.OTHER)
