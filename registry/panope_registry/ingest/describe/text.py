"""Graphs that read text: PP-OCR's detector, recognizer and orientation."""

from __future__ import annotations

from typing import Any

from panope_registry.ingest.describe.folder import Folder, Graph
from panope_registry.ingest.describe.match import Match

_ROLES = {4: "detector", 3: "recognizer", 2: "orientation"}
_WORDS = {"detector": ("det",), "recognizer": ("rec",), "orientation": ("cls", "ori", "angle")}


def pp_ocr(folder: Folder) -> Match | None:
    """Two or three graphs: a map of places, values of characters for columns, and two values for a line."""
    graphs = folder.graphs
    if not 2 <= len(graphs) <= 3:
        return None
    roles: dict[str, Graph] = {}
    for graph in graphs:
        role = _role(graph)
        if not role or role in roles:
            return None
        roles[role] = graph
    if not {"detector", "recognizer"} <= set(roles):
        return None
    description: dict[str, Any] = {"task": "ocr"}
    for role in ("detector", "orientation", "recognizer"):
        if role in roles:
            description[role] = {"file": roles[role].path}
    if characters := folder.lines("dict", "keys", "characters"):
        description["recognizer"]["characters"] = characters
    is_named = all(graph.says(*_WORDS[role]) for role, graph in roles.items())
    because = "a graph gives a map of one value, one gives values of characters, as PP-OCR's do"
    return Match("pp-ocr", description, because, is_certain=is_named)


def _role(graph: Graph) -> str:
    """What a graph does, by its only output; empty for something else."""
    if graph.image is None or len(graph.outputs) != 1:
        return ""
    shape = graph.outputs[0].shape
    if (len(shape) == 4 and shape[1] not in (1, -1)) or (len(shape) == 2 and shape[1] not in (2, -1)):
        return ""
    return _ROLES.get(len(shape), "")
