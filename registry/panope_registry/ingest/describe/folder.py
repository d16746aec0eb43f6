"""What lies in a folder that may hold graphs of another library."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from panope_backends.api import TensorSpec
from panope_backends.errors import InvalidInputError
from panope_registry.ingest.folder import FolderFile
from panope_registry.inspect.documents import read_object
from panope_registry.inspect.headers.onnx import read_onnx
from panope_registry.inspect.headers.openvino import read_openvino

#: Of lists of labels and characters, and of small JSON.
_MOST_BYTES = 4 << 20


@dataclass(frozen=True)
class Graph:
    """One graph.

    Attributes:
        path: of its file.
        inputs: that it takes.
        outputs: that it gives.
    """

    path: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @property
    def words(self) -> frozenset[str]:
        """The words of the file's name, in small letters."""
        return frozenset(re.findall(r"[a-z]+|\d+", PurePosixPath(self.path).name.lower()))

    def says(self, *words: str) -> bool:
        """Whether the file's name has one of these words, or begins one of its own with it."""
        return any(own.startswith(word) for own in self.words for word in words)

    @property
    def image(self) -> TensorSpec | None:
        """Its only input, where that has the axes of images."""
        return self.inputs[0] if len(self.inputs) == 1 and len(self.inputs[0].shape) == 4 else None


@dataclass(frozen=True)
class Folder:
    """The files of a folder, by their paths."""

    files: Mapping[str, FolderFile]

    @classmethod
    def of(cls, files: Sequence[FolderFile]) -> Folder:
        """A listed folder."""
        return cls({file.path: file for file in files})

    @cached_property
    def graphs(self) -> tuple[Graph, ...]:
        """All graphs whose files tell what they take and give; none where one is broken, which the import says."""
        found = []
        for path, file in self.files.items():
            try:
                if path.endswith(".onnx"):
                    facts = read_onnx(file.source, path)[0]
                elif path.endswith(".xml") and (weights := self.files.get(f"{path[:-4]}.bin")):
                    facts = read_openvino(file.source, path, weights.size_bytes)
                else:
                    continue
            except InvalidInputError:
                return ()
            if facts.graph is None:
                return ()
            found.append(Graph(path, facts.graph.inputs, facts.graph.outputs))
        return tuple(found)

    @property
    def only(self) -> Graph | None:
        """The only graph; None where there are several, or none."""
        return self.graphs[0] if len(self.graphs) == 1 else None

    def json(self, path: str) -> Mapping[str, Any]:
        """The object in a small file; empty where there is none."""
        file = self.files.get(path)
        if file is None or file.size_bytes > _MOST_BYTES:
            return {}
        try:
            found: Mapping[str, Any] = read_object(file.source, path)
        except InvalidInputError:
            return {}
        return found

    def lines(self, *words: str) -> list[str]:
        """The lines of the only text file whose name has one of these words; empty where there is none such."""
        named = [
            file
            for path, file in self.files.items()
            if path.endswith((".txt", ".names"))
            and any(word in PurePosixPath(path).name.lower() for word in words)
            and file.size_bytes <= _MOST_BYTES
        ]
        if len(named) != 1:
            return []
        try:
            return named[0].source.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return []

    def labels(self, count: int) -> list[str]:
        """Names of so many labels: those of a file beside the graph, those of COCO where there are 80, or numbers."""
        told = [line.strip() for line in self.lines("label", "class", "synset", "names")]
        if len(told) == count and all(told) and len(set(told)) == count:
            return told
        return list(COCO) if count == len(COCO) else [str(number) for number in range(count)]


COCO = tuple(
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,parking meter,"
    "bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,skis,"
    "snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,cup,"
    "fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,"
    "potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,"
    "refrigerator,book,clock,vase,scissors,teddy bear,hair drier,toothbrush".split(",")
)
"""The things of COCO's detectors, in their order."""
