"""What a model's small files say together: its configuration, and which parts it has where."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from panope_backends.graphs.description import AnyDescription, read_description
from panope_backends.graphs.ocr_description import OcrDescription
from panope_backends.graphs.terms import FILE as DESCRIPTION
from panope_backends.graphs.terms import DescriptionError
from panope_backends.graphs.voice_description import VoiceDescription
from panope_backends.model_facts.audio_models import SPEAKERS, SPEECHT5, VOCODER
from panope_backends.model_facts.image_models import with_type
from panope_backends.model_facts.routers import with_routes
from panope_backends.model_facts.word_tables import BAG_OF_WORDS
from panope_registry.inspect.documents import broken, read_json, read_object
from panope_registry.inspect.embed_files import own_class, step_folders, transformer_folder
from panope_registry.inspect.file_bytes import Header
from panope_registry.inspect.tasks import architecture_of
from panope_registry.inspect.tasks.evidence import MARKERS, Conclusion
from panope_registry.inspect.weights import Parts
from panope_registry.names import shown

TEXT_DETECTOR_SIDE = "text_detector_max_side"
"""The key of a configuration with the longest side, in pixels, of what a detector of text sees."""

PIPELINE = "model_index.json"
"""Where a pipeline's parts are named."""


@dataclass(frozen=True)
class ModelDocuments:
    """The parsed files that say what a model is.

    Attributes:
        markers: those of `MARKERS` that there are, by their names.
        description: what panope.json says; None without one.
        config: the parsed config.json, or of a pipeline model_index.json; {} without any.
        modules: of modules.json, a Router's own among them.
        folder: that the transformer is in; empty for the root.
        parts: of the model, by which its weights are found.
        pipeline_class: that a pipeline's model_index.json names; None where it is not what describes the model.
    """

    markers: Mapping[str, Any]
    description: AnyDescription | None
    config: Mapping[str, Any]
    modules: Sequence[Mapping[str, Any]]
    folder: str
    parts: Parts
    pipeline_class: str | None

    @property
    def config_file(self) -> str:
        """The path of config.json."""
        return str(PurePosixPath(self.folder) / "config.json")

    def architecture(self, in_weights: str) -> Conclusion:
        """The class of the model, by what says it most closely.

        Args:
            in_weights: what a weight file says of it; empty for nothing.
        """
        if own := own_class(self.modules):
            return Conclusion(own, f"modules.json lists {own}")
        if self.description is not None:
            return Conclusion(self.description.architecture, f"{DESCRIPTION} names its decoder")
        if self.pipeline_class is not None:
            return Conclusion(shown(self.pipeline_class), f"{PIPELINE} names it")
        return architecture_of(self.config, in_weights)

    def sizes(self) -> Mapping[str, int]:
        """What the memory of a run is estimated by."""
        description = self.description
        return {TEXT_DETECTOR_SIDE: description.detector.max_side} if isinstance(description, OcrDescription) else {}


def read_documents(files: Mapping[str, Header]) -> ModelDocuments:
    """Reads them.

    Raises:
        InvalidInputError: one is broken; the message names it.
    """
    markers = {name: _marker(files[name], name) for name in MARKERS if name in files}
    description = _description(markers[DESCRIPTION]) if DESCRIPTION in markers else None
    modules = with_routes(markers.get("modules.json", []), lambda path: _object(files, path))
    folder = transformer_folder(modules)
    config_file = str(PurePosixPath(folder) / "config.json")
    # A list of words is weights, and tells of no run.
    words = config_file if own_class(modules) == BAG_OF_WORDS else ""
    config = with_type(read_object(files[config_file], config_file)) if config_file in files and not words else {}
    graphs = _graphs(description, files)
    index = markers.get(PIPELINE, {})
    pipeline = frozenset(name for name in index if not name.startswith("_"))
    is_pipeline = bool(pipeline) and description is None and not modules
    if is_pipeline:
        config = index  # a pipeline has no config.json, its parts have
    beside = _beside(description, files) | _speakers(config, files)
    parts = Parts(folder, step_folders(modules), pipeline, graphs, beside, _spoken_parts(config), words)
    named = str(index.get("_class_name", "")) if is_pipeline else None
    return ModelDocuments(markers, description, config, modules, folder, parts, named)


def _object(files: Mapping[str, Header], path: str) -> Mapping[str, Any]:
    return read_object(files[path], path) if path in files else {}


def _marker(file: Header, name: str) -> Any:
    if name != "modules.json":
        return read_object(file, name)
    document = read_json(file, name)
    if not isinstance(document, list) or not all(isinstance(module, dict) for module in document):
        raise broken(name, "it is not a list of modules")
    return document


def _description(document: Mapping[str, Any]) -> AnyDescription:
    """Refuses at import what a worker would refuse, by the same reader."""
    try:
        return read_description(document)
    except DescriptionError as error:
        raise broken(DESCRIPTION, str(error)) from None


def _graphs(description: AnyDescription | None, files: Collection[str]) -> Mapping[str, str]:
    """Returns the files of a model of several graphs, by the folders that a backend finds them in; {} for others."""
    if not isinstance(description, OcrDescription):
        return {}
    named = {name: str(PurePosixPath(graph.file)) for name, graph in description.graphs.items()}
    for name, file in named.items():
        if file not in files:
            raise broken(DESCRIPTION, f"`{name}.file` is `{shown(file)}`, which is not in the folder")
    return named


def _beside(description: AnyDescription | None, files: Collection[str]) -> frozenset[str]:
    """Returns the files that a voice's graph is run with."""
    if not isinstance(description, VoiceDescription) or not description.styles:
        return frozenset()
    if description.styles not in files:
        raise broken(DESCRIPTION, f"`styles` is `{shown(description.styles)}`, which is not in the folder")
    return frozenset({description.styles})


def _speakers(config: Mapping[str, Any], files: Collection[str]) -> frozenset[str]:
    """Returns the files that hold the voices of such a model."""
    return frozenset({SPEAKERS}) & frozenset(files) if config.get("model_type") == SPEECHT5 else frozenset()


def _spoken_parts(config: Mapping[str, Any]) -> frozenset[str]:
    """Returns the folders of what a model that speaks is run with."""
    return frozenset({VOCODER}) if config.get("model_type") == SPEECHT5 else frozenset()
