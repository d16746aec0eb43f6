"""modules.json: sentence-transformers' modules in their order, those that Panope runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from panope_backends.errors import PreconditionError
from panope_backends.model_facts.image_models import has_towers
from panope_backends.model_facts.routers import NAMES, ROUTER, is_router
from panope_backends.model_facts.word_tables import BAG_OF_WORDS, SPARSE_STATIC, WORD_EMBEDDINGS, WORD_TABLES
from panope_backends.tasks.embed.files.router_file import Router, read_router
from panope_backends.tasks.embed.files.sentence_files import DropoutFile, ModuleEntry, NormalizeFile
from panope_backends.tasks.json_files import read_any_json, read_json, shown, typed

#: The module that stands in for a transformer and its pooling.
STATIC = "StaticEmbedding"
TABLES = WORD_TABLES | {STATIC}
"""Modules that look tokens up in the place of a transformer."""

MODULES = (
    *("Transformer", STATIC, BAG_OF_WORDS, WORD_EMBEDDINGS, "WordWeights", "CNN", "LSTM", SPARSE_STATIC),
    *("WeightedLayerPooling", "Pooling"),
    *(
        "Dense",
        "LayerNorm",
        "Normalize",
        "Dropout",
        "MLMTransformer",
        "SpladePooling",
        "SparseAutoEncoder",
        "MultiVectorMask",
        "CLIPModel",
        *NAMES,
    ),
)

#: A module of PyLate's that sentence-transformers has under another name.
_ALIASES: Mapping[str, str] = {"pylate.models.Dense.Dense": "sentence_transformers.models.Dense"}

#: The module of a model of images and texts; newer ones have Transformer in its place.
CLIP = "CLIPModel"

#: transformers' type of such models.
_CLIP_TYPE = "clip"

#: The modules of sparse encoders; the first is older.
_MASKED, _SPLADE = "MLMTransformer", "SpladePooling"

#: The module of models with a vector for each token, and what else such a model has.
_MASK = "MultiVectorMask"
_OF_MULTI_VECTORS = frozenset({"Dense", "LayerNorm", "Normalize", "Dropout", _MASK})

#: More than any model has.
_MOST_MODULES = 64

#: Vectors by sentence-transformers' names.
OF_TEXTS, OF_TOKENS = "sentence_embedding", "token_embeddings"

#: What requests say that texts are for; empty where they say nothing.
PURPOSES = ("", "query", "document")

AUTO_ENCODER = "SparseAutoEncoder"
"""The step at the end that makes dense vectors sparse."""

PROJECTION = "Projection"
"""The step that ColBERT's own code has for a Dense, whose weights lie among the model's."""

LAYER_POOLING = "WeightedLayerPooling"
"""The step that makes vectors of tokens of those that each layer gives, where the transformer is asked for them."""

#: Steps after the vectors of texts are made.
_OF_TEXTS = frozenset({"Dense", "LayerNorm", "Normalize", "Dropout", AUTO_ENCODER})


@dataclass(frozen=True)
class Layout:
    """An order of modules that is run: a first one, steps of tokens, Pooling, and steps of texts in any number.

    Attributes:
        first: makes vectors of a text's tokens.
        of_tokens: the steps that may change them.
        pools: whether Pooling makes one vector of them; False where the first module gives one.
        of_texts: the steps that may change it.
    """

    first: str
    of_tokens: frozenset[str] = frozenset()
    pools: bool = True
    of_texts: frozenset[str] = _OF_TEXTS


_LAYOUTS = (
    Layout("Transformer", frozenset({"Dense", "Normalize", "Dropout", LAYER_POOLING})),
    Layout(WORD_EMBEDDINGS, frozenset({"WordWeights", "CNN", "LSTM", "Dense", "Normalize", "Dropout"})),
    Layout(STATIC, pools=False),
    Layout(BAG_OF_WORDS, pools=False),
    Layout(SPARSE_STATIC, pools=False, of_texts=frozenset()),
)


@dataclass(frozen=True)
class HeadStep:
    """A step after the transformer: `Dense` or `LayerNorm` with its folder, or `Normalize`.

    Attributes:
        kind: the class's name.
        folder: of its files.
        vectors: that it changes, by sentence-transformers' name: those of texts, or of tokens before they are pooled.
        usual: the vectors that are meant where its file names none.
    """

    kind: str
    folder: Path
    vectors: str = OF_TEXTS
    usual: str = OF_TEXTS


@dataclass(frozen=True)
class Modules:
    """The modules of a model.

    Attributes:
        encoder: the folder of the transformer, or of the table in its place.
        table: which of `TABLES` it is; empty for a transformer.
        token_steps: what is done to the vectors of tokens before they are pooled.
        pooling: the folder of the Pooling module; None for a table, whose vectors' mean it is.
        text_steps: what is done to the vectors of texts.
        splade: the folder of the SpladePooling module of a sparse encoder, which has no other steps; None otherwise.
        is_masked: whether the transformer is one for masked words though its own file does not say so.
        is_multi: whether vectors of tokens are the answer; then `token_steps` are all steps.
        mask: the folder of the MultiVectorMask of such a model; None where it has none.
        layers: the WeightedLayerPooling that makes the vectors of tokens; None where the last layer's are they.
        towers: the module of a model with a part for images and one for texts, each of which gives finished vectors;
            empty for others. `text_steps` are then of both.
    """

    encoder: Path
    table: str
    token_steps: tuple[HeadStep, ...]
    pooling: Path | None
    text_steps: tuple[HeadStep, ...]
    splade: Path | None = None
    is_masked: bool = False
    is_multi: bool = False
    mask: Path | None = None
    towers: str = ""
    layers: HeadStep | None = None


@dataclass(frozen=True)
class Routes:
    """The modules that texts pass, where that depends on what they are for.

    Attributes:
        modules: of each route that texts can have.
        of_purpose: the route of texts for nothing in particular (empty), of a `query` and of a `document`; a purpose
            is left out whose texts have none.
    """

    modules: Mapping[str, Modules]
    of_purpose: Mapping[str, str]


def read_modules(folder: Path) -> Modules | Routes:
    """Reads modules.json and the files of the modules without weights.

    Raises:
        PreconditionError: it lists what is not run, or in another order, or places a module outside the model; the
            message names it.
    """
    steps = _steps(folder)
    routers = [place for place, step in enumerate(steps) if step.kind == ROUTER]
    if not routers:
        return _modules(steps, folder)
    if len(routers) > 1:
        raise PreconditionError(f"modules.json lists {len(routers)} Routers; Panope runs one")
    return _routes(steps, routers[0], folder)


def _routes(steps: Sequence[HeadStep], place: int, folder: Path) -> Routes:
    router = read_router(steps[place].folder)
    # A table does not tell what comes after it that it was given texts; the library's other modules do.
    is_text = not place or steps[0].kind not in TABLES
    found = {purpose: router.route_of(purpose, is_text=is_text) for purpose in PURPOSES}
    of_purpose = {purpose: route for purpose, route in found.items() if route is not None}
    if not of_purpose:
        raise PreconditionError(f"the Router's routes {_listed(router)} are none for texts, queries or documents")
    modules = {
        route: _modules([*steps[:place], *_within(router, route, steps[place].folder), *steps[place + 1 :]], folder)
        for route in dict.fromkeys(of_purpose.values())
    }
    if any(each.is_multi for each in modules.values()):
        raise PreconditionError("modules.json lists a Router and no Pooling in its routes; Panope runs those that pool")
    if any(each.towers for each in modules.values()):
        raise PreconditionError("modules.json lists a Router with a model of images and texts, which Panope runs alone")
    return Routes(modules, of_purpose)


def _within(router: Router, route: str, place: Path) -> list[HeadStep]:
    """The modules of a route."""
    return [_module(place, ModuleEntry(router.types[name], name)) for name in router.structure[route]]


def _listed(router: Router) -> str:
    return ", ".join(f"`{shown(route)}`" for route in router.structure)


def _modules(steps: Sequence[HeadStep], folder: Path) -> Modules:
    """The modules that one text passes, one after the other."""
    kinds = [step.kind for step in steps]
    if len(kinds) > _MOST_MODULES:  # a Router's too, of which modules.json lists none
        raise PreconditionError(f"a text passes {len(kinds):,} modules; the most are {_MOST_MODULES}")
    if kinds in (["Transformer", _SPLADE], [_MASKED, _SPLADE]):
        splade = steps[1].folder
        return Modules(steps[0].folder, "", (), None, (), splade=splade, is_masked=kinds[0] == _MASKED)
    if _has_towers(steps):
        return _towers(steps, folder)
    if kinds[:1] == ["Transformer"] and kinds[1:] and set(kinds[1:]) <= _OF_MULTI_VECTORS:
        return _multi(steps, folder)
    layout = next((each for each in _LAYOUTS if kinds[:1] == [each.first]), None)
    if layout is None or kinds.count("Pooling") != int(layout.pools):
        raise _other_order(kinds)
    place = kinds.index("Pooling") if layout.pools else 0
    before, after = steps[1:place], steps[place + 1 :]
    if set(kinds[1:place]) - layout.of_tokens or set(kinds[place + 1 :]) - layout.of_texts:
        raise _other_order(kinds)
    if AUTO_ENCODER in kinds[:-1]:  # what came after it would take the sparse for dense
        raise _other_order(kinds)
    layers, before = _layers(before, steps[0].folder)
    token_steps = _run([replace(step, vectors=OF_TOKENS) for step in before], folder)
    table = layout.first if layout.first in TABLES else ""
    pooling = steps[place].folder if layout.pools else None
    return Modules(steps[0].folder, table, token_steps, pooling, _run(after, folder), layers=layers)


def _has_towers(steps: Sequence[HeadStep]) -> bool:
    """Whether the modules are those of a model of images and texts, whose vectors no Pooling makes."""
    kinds = [step.kind for step in steps]
    if kinds[:1] != ["Transformer"] or "Pooling" in kinds:
        return kinds[:1] == [CLIP]
    return has_towers(read_json(steps[0].folder / "config.json", missing_ok=True))


def _towers(steps: Sequence[HeadStep], folder: Path) -> Modules:
    """Of a model of images and texts; what follows changes the vectors of both."""
    kinds = [step.kind for step in steps]
    if set(kinds[1:]) - (_OF_TEXTS - {AUTO_ENCODER}):
        raise _other_order(kinds)
    config = read_json(steps[0].folder / "config.json")
    if not has_towers(config) or config.get("model_type") != _CLIP_TYPE:
        raise PreconditionError(
            f"modules.json lists {kinds[0]} and no Pooling, and config.json has the type "
            f"`{shown(config.get('model_type'))}`; Panope runs models of images and texts of the type `{_CLIP_TYPE}`"
        )
    return Modules(steps[0].folder, "", (), None, _run(steps[1:], folder), towers=kinds[0])


def _multi(steps: Sequence[HeadStep], folder: Path) -> Modules:
    """Of a model with a vector for each token; PyLate 3 left out the mask, and the Normalize at the end."""
    masks = [step.folder for step in steps if step.kind == _MASK]
    if len(masks) > 1:
        raise _other_order([step.kind for step in steps])
    own = [replace(step, vectors=OF_TOKENS, usual=OF_TOKENS) for step in steps[1:] if step.kind != _MASK]
    done = _run(own, folder)
    if not masks:
        done = (*done, HeadStep("Normalize", folder, OF_TOKENS, OF_TOKENS))
    return Modules(steps[0].folder, "", done, None, (), is_multi=True, mask=masks[0] if masks else None)


def _steps(folder: Path) -> list[HeadStep]:
    content = read_any_json(folder / "modules.json")
    if not isinstance(content, list) or not all(isinstance(module, dict) for module in content):
        raise PreconditionError("modules.json does not hold a list of modules")
    if len(content) > _MOST_MODULES:
        raise PreconditionError(f"modules.json lists {len(content):,} modules; the most are {_MOST_MODULES}")
    if not all(module.get("type") for module in content):
        raise PreconditionError("modules.json lists a module without a `type`")
    return [_module(folder, typed(module, ModuleEntry, "modules.json")) for module in content]


def _other_order(kinds: Sequence[str]) -> PreconditionError:
    return PreconditionError(
        f"modules.json lists {', '.join(kinds) or 'no module'}; Panope runs Transformer and Pooling, or {STATIC} or "
        f"{BAG_OF_WORDS} alone, followed by Dense, LayerNorm, Normalize, Dropout, with Dense and Normalize of tokens "
        f"before Pooling; of words {WORD_EMBEDDINGS} and Pooling, with WordWeights, CNN and LSTM too before it; of "
        f"sparse encoders Transformer and {_SPLADE}, or {SPARSE_STATIC}; of models with a vector for each token "
        f"Transformer, Dense, {_MASK} and Normalize; and of images and texts {CLIP}, followed by Dense, LayerNorm, "
        "Normalize, Dropout"
    )


def _module(folder: Path, module: ModuleEntry) -> HeadStep:
    kind = _ALIASES.get(module.type, module.type)
    name = ROUTER if is_router(kind) else kind.rpartition(".")[2]
    # Releases have moved these classes between submodules; their own names stay.
    if not kind.startswith("sentence_transformers.") or name not in MODULES:
        raise PreconditionError(
            f"modules.json asks for the module `{shown(module.type)}`; Panope runs {', '.join(MODULES)}"
        )
    path = PurePosixPath(module.path)
    if path.is_absolute() or ".." in path.parts:
        raise PreconditionError(f"modules.json places the module `{name}` outside the model")
    return HeadStep(name, folder / path)


def _run(steps: Sequence[HeadStep], root: Path) -> tuple[HeadStep, ...]:
    """The steps that compute something; the files of those that have no weights are checked on the way."""
    return tuple(step for step in steps if _computes(step, root))


def _computes(step: HeadStep, root: Path) -> bool:
    if step.kind not in ("Normalize", "Dropout"):
        return True
    name = f"{step.folder.name}/config.json"
    # A step of the root has the transformer's config.json beside it, which is not its own.
    content = {} if step.folder == root else read_json(step.folder / "config.json", missing_ok=True, name=name)
    if step.kind == "Dropout":
        typed(content, DropoutFile, name)
        return False
    file = typed(content, NormalizeFile, name)
    for key, value in (("module_input_name", file.module_input_name), ("module_output_name", file.module_output_name)):
        if value != step.vectors and not (key == "module_output_name" and value is None):
            raise PreconditionError(f"{name} sets `{key}` to `{shown(value)}`; Panope runs `{step.vectors}` there")
    return True


def _layers(before: Sequence[HeadStep], encoder: Path) -> tuple[HeadStep | None, Sequence[HeadStep]]:
    """The WeightedLayerPooling that counts, and the other steps of tokens that do."""
    places = [place for place, step in enumerate(before) if step.kind == LAYER_POOLING]
    if not places or not read_json(encoder / "config.json").get("output_hidden_states"):
        # It does nothing where the transformer is not asked for the vectors of its layers.
        return None, [step for step in before if step.kind != LAYER_POOLING]
    # It looks at the layers' own vectors, whatever was made of the last before.
    return before[places[-1]], before[places[-1] + 1 :]
