"""A case for each form of Router: routes of one encoder and of several, dense and sparse, and the older Asym."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from zoo_models.architectures import ARCHITECTURES
from zoo_models.case import WIDTH, Case
from zoo_models.sparse import SPARSE_ENCODERS
from zoo_models.static import STATIC_TABLES
from zoo_models.words import WORD_MODELS

_MODEL, _FILE = "config_sentence_transformers.json", "router_config.json"
_EVERY = ("", "query", "document")
_DOCUMENT = {"default_route": "document"}


@dataclass(frozen=True)
class RouterCase(Case):
    """One folder whose first module is a Router.

    Attributes:
        routes: the model whose modules each has.
        after: the modules after the Router.
        parameters: of the Router's file.
        older: whether it is an Asym in a folder of its own.
    """

    routes: Mapping[str, Case] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=lambda: _DOCUMENT)
    older: bool = False

    def write(self, folder: Path) -> None:
        """Makes the folder."""
        place = folder / ("0_Asym" if self.older else "")
        types: dict[str, str] = {}
        structure = {route: _moved(case, route, place, types) for route, case in self.routes.items()}
        file = {"types": types, "structure": structure, "parameters": dict(self.parameters)}
        (place / ("config.json" if self.older else _FILE)).write_text(json.dumps(file))
        kinds = ("Asym" if self.older else "Router", *self.after)
        places = (place.name if self.older else "", *(f"{n}_{kind}" for n, kind in enumerate(self.after, 1)))
        _list_modules(folder, kinds, places)
        for name, content in self.files.items():
            path = folder / name
            path.write_text(json.dumps({**json.loads(path.read_text()), **content} if path.exists() else content))
        if self.change is not None:
            self.change(folder)


def _moved(case: Case, route: str, place: Path, types: dict[str, str]) -> list[str]:
    """Writes a model and puts each of its modules into a folder of the Router's; the names of these."""
    scratch = place / "scratch"
    scratch.mkdir(parents=True)
    case.write(scratch)
    names = []
    for n, module in enumerate(json.loads((scratch / "modules.json").read_text())):
        name = f"{route}_{n}_{module['type'].rpartition('.')[2]}"
        types[name] = module["type"]
        names.append(name)
        own = scratch if module["path"] in ("", ".") else scratch / module["path"]
        (place / name).mkdir()
        for path in own.iterdir() if own.is_dir() else ():
            if path.is_file() and path.name not in ("modules.json", _MODEL):
                shutil.move(path, place / name)
    shutil.rmtree(scratch)
    return names


def _list_modules(folder: Path, kinds: tuple[str, ...], places: tuple[str, ...]) -> None:
    entries = [
        {"idx": n, "name": str(n), "path": place, "type": f"sentence_transformers.models.{kind}"}
        for n, (kind, place) in enumerate(zip(kinds, places, strict=True))
    ]
    (folder / "modules.json").write_text(json.dumps(entries))


def _asym_after_pooling(folder: Path) -> None:
    """One encoder, and a Dense of each route, as models of before Router have them."""
    place = folder / "2_Asym"
    for seed, route in enumerate(("query", "doc")):
        dense = place / f"{route}-1_Dense"
        dense.mkdir(parents=True)
        random = np.random.default_rng(seed)
        (dense / "config.json").write_text(json.dumps({"in_features": WIDTH, "out_features": 12, "bias": False}))
        save_file({"linear.weight": random.standard_normal((12, WIDTH), np.float32)}, dense / "model.safetensors")
    types = {f"{route}-1_Dense": "sentence_transformers.models.Dense.Dense" for route in ("query", "doc")}
    structure = {route: [f"{route}-1_Dense"] for route in ("query", "doc")}
    parameters = {"allow_empty_key": True}
    (place / "config.json").write_text(json.dumps({"types": types, "structure": structure, "parameters": parameters}))
    _list_modules(folder, ("Transformer", "Pooling", "Asym"), ("", "1_Pooling", "2_Asym"))


def _one_module_in_both(folder: Path) -> None:
    """Both routes pool what one encoder gives, each in its way."""
    file = json.loads((folder / _FILE).read_text())
    file["structure"]["query"][0] = file["structure"]["document"][0]
    del file["types"]["query_0_Transformer"]
    shutil.rmtree(folder / "query_0_Transformer")
    (folder / _FILE).write_text(json.dumps(file))


def _case(name: str) -> Case:
    return next(case for case in (*ARCHITECTURES, *SPARSE_ENCODERS, *STATIC_TABLES, *WORD_MODELS) if case.name == name)


_BERT, _TABLE = _case("bert"), _case("static: not normalised")
_MAX = replace(_BERT, pooling={"pooling_mode": "max"})
_SPLADE, _SUM = _case("sparse: bert"), _case("sparse: sum")
_SMALL = replace(_SPLADE, sizes={"vocab_size": 261})  # as many words as the tokenizer has
_SPARSE = {_MODEL: {"model_type": "SparseEncoder"}}
_TWO = {"query": _TABLE, "document": _BERT}
_PROMPTS = {_MODEL: {"prompts": {"query": "the word: ", "document": "of: "}, "default_prompt_name": "document"}}
_MAPPED = {**_DOCUMENT, "route_mappings": {"('query', 'text')": "asked", "(None, None)": "document"}}


def _router(name: str, purposes: tuple[str, ...] = _EVERY, **settings: Any) -> RouterCase:
    return RouterCase(f"router: {name}", purposes=purposes, **settings)


def _parameters(**parameters: Any) -> dict[str, Any]:
    return {"parameters": parameters}


ROUTERS = (
    _router("table for queries", routes=_TWO, after=("Normalize",)),
    _router("one encoder in both", routes={"query": _MAX, "document": _BERT}, change=_one_module_in_both),
    _router("two tokenizers", routes={"query": _case("roberta"), "document": _BERT}, after=("Normalize",)),
    _router("padding minds one route", routes={"query": _case("convbert"), "document": _BERT}),
    _router("prompts", routes=_TWO, files=_PROMPTS),
    _router("dimensions", routes=_TWO, files={_MODEL: {"truncate_dim": 8}}),
    _router("steps in one route", routes={"query": _case("static: in a folder of its own"), "document": _BERT}),
    _router("the first is the default", routes=_TWO, **_parameters()),
    _router("no default", ("query", "document"), routes=_TWO, **_parameters(allow_empty_key=False)),
    _router("mapped", routes={"asked": _TABLE, "document": _BERT}, parameters=_MAPPED),
    _router("by what inputs are", routes={"text": _BERT}, **_parameters(allow_empty_key=False)),
    _router("sparse", routes={"query": _SUM, "document": _SPLADE}, files=_SPARSE),
    _router("sparse table for queries", routes={"query": _case("words: sparse"), "document": _SMALL},
            files=_SPARSE),
    _router("asym", ("", "query"), routes={"query": _TABLE, "doc": _BERT}, older=True, parameters={}),
    replace(_BERT, name="asym after pooling", purposes=("", "query"), change=_asym_after_pooling),
    _router("a route of nothing", routes=_TWO, refused=True, files={_FILE: {"structure": {"query": []}}}),
    _router("no such module", routes=_TWO, refused=True, files={_FILE: {"structure": {"query": ["table"]}}}),
    _router("outside", routes=_TWO, refused=True, files={_FILE: {
        "types": {"../x": "sentence_transformers.models.StaticEmbedding"}, "structure": {"query": ["../x"]}}}),
    _router("in itself", routes=_TWO, refused=True, files={_FILE: {
        "types": {"x": "sentence_transformers.models.Router"}, "structure": {"query": ["x"]}}}),
    _router("a module of own code", routes=_TWO, refused=True, files={_FILE: {
        "types": {"x": "mine.Encoder"}, "structure": {"query": ["x"]}}}),
    _router("no such default", routes=_TWO, refused=True, **_parameters(default_route="answer")),
    _router("mapped to no route", routes=_TWO, refused=True,
            **_parameters(route_mappings={"('query', 'text')": "answer"})),
    _router("mapped by no pair", routes=_TWO, refused=True, **_parameters(route_mappings={"query": "query"})),
    _router("an unknown key", routes=_TWO, refused=True, **_parameters(route_by="length")),
    _router("sparse and dense", routes={"query": _BERT, "document": _SPLADE}, refused=True),
    _router("of two sizes", routes={"query": _case("static: in a folder of its own"), "document": replace(
        _BERT, modules=("Pooling", "Dense"))}, refused=True),
)  # fmt: skip
