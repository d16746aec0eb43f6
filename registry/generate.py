"""Writes down what model libraries say of their classes, so that the registry knows models without importing them.

    python registry/generate.py            write panope_registry/inspect/tasks/architectures.json
    python registry/generate.py --check    exit 1 when the file differs from what the libraries say

transformers and gguf are those that are installed. diffusers is read and not imported, because importing it needs torch
of its own choice; it is fetched for that, at the version below.
"""

from __future__ import annotations

import argparse
import ast
import json
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

OUT = Path(__file__).resolve().parent / "panope_registry/inspect/tasks/architectures.json"
DIFFUSERS = "0.42.1"

#: transformers' maps of classes, the telling first: a class that is in several is what the first of them says. An
#: image-text model is in the map of multimodal ones too, and most are in that of their pretraining.
PRECEDENCE = (
    *("any-to-any", "image-text-to-text", "text-to-waveform", "text-to-spectrogram"),
    *("speech-seq-2-seq", "ctc", "rnnt", "tdt"),
    *("seq-to-seq-causal-lm", "causal-lm", "masked-lm", "multimodal-lm"),
    *("object-detection", "zero-shot-object-detection", "pose-estimation", "keypoint-detection", "depth-estimation"),
    *("universal-segmentation", "instance-segmentation", "semantic-segmentation", "image-segmentation"),
    *("mask-generation", "image-to-image", "text-recognition", "table-recognition"),
    *("zero-shot-image-classification", "image-classification", "video-classification", "audio-classification"),
    *("sequence-classification", "token-classification", "document-question-answering", "question-answering"),
    *("table-question-answering", "visual-question-answering", "multiple-choice", "next-sentence-prediction"),
    *("audio-frame-classification", "audio-xvector", "retrieval", "decision", "keypoint-matching"),
    *("causal-image-modeling", "masked-image-modeling", "image-matting", "normal-estimation", "pointmap-estimation"),
    *("time-series-classification", "time-series-prediction", "time-series-regression", "pretraining"),
    *("text-encoding", "image", "base", "backbone"),
)

#: What a model type is most likely made for, where a checkpoint names no class: its precedence, but an encoder first,
#: because encoders have decoders' heads beside their own, and speech to text before its reverse.
LIKELIEST = ("speech-seq-2-seq", "masked-lm", *PRECEDENCE)


def transformers_facts() -> dict[str, Any]:
    """The classes, model types and auto classes of the installed transformers."""
    heads, types = _class_heads()
    decided = {name: _decided(found) for name, found in heads.items()}
    return {
        "version": version("transformers"),
        "classes": dict(sorted(decided.items())),
        "model_types": dict(sorted((kind, _likeliest(names, heads)) for kind, names in types.items())),
        "auto_classes": dict(sorted(_auto_classes())),
    }


def _class_heads() -> tuple[dict[str, set[str]], dict[str, list[str]]]:
    """Class -> the maps that have it; model type -> its classes."""
    heads: dict[str, set[str]] = defaultdict(set)
    types: dict[str, list[str]] = defaultdict(list)
    for head, classes in _maps():
        for kind, named in classes.items():
            for name in (named,) if isinstance(named, str) else named:
                heads[name].add(head)
                types[kind].append(name)
    for name in _text_encoders():
        heads[name].add("text-encoding")
    for found in heads.values():
        if {"multimodal-lm", "text-to-waveform"} <= found:
            found.add("any-to-any")
    return heads, types


def _maps() -> Iterator[tuple[str, Mapping[str, Any]]]:
    from transformers.models.auto import modeling_auto

    for attribute, classes in vars(modeling_auto).items():
        # transformers' own map of text encoders holds decoders too, see `_text_encoders`.
        if attribute.endswith("MAPPING_NAMES") and not attribute.startswith(("CONFIG", "MODEL_FOR_TEXT_ENCODING")):
            yield _head(attribute), classes


def _head(attribute: str) -> str:
    """`MODEL_FOR_CAUSAL_LM_MAPPING_NAMES` -> `causal-lm`; the map of models without a head is `base`."""
    name = attribute.removesuffix("_NAMES").removesuffix("MAPPING").removeprefix("MODEL_").removeprefix("FOR_")
    return name.strip("_").lower().replace("_", "-") or "base"


def _text_encoders() -> Iterator[str]:
    """Classes without a head that give a vector a token, of types that read text alone and fill in masked words."""
    from transformers.models.auto import (
        feature_extraction_auto,
        image_processing_auto,
        modeling_auto,
        processing_auto,
        tokenization_auto,
    )

    other_inputs = (
        image_processing_auto.IMAGE_PROCESSOR_MAPPING_NAMES.keys()
        | processing_auto.PROCESSOR_MAPPING_NAMES.keys()
        | feature_extraction_auto.FEATURE_EXTRACTOR_MAPPING_NAMES.keys()
    )
    generating = modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES.keys()
    for kind in modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES.keys() - generating - other_inputs:
        if kind in tokenization_auto.TOKENIZER_MAPPING_NAMES:
            named = modeling_auto.MODEL_MAPPING_NAMES[kind]
            yield from (named,) if isinstance(named, str) else named
    for kind, name in modeling_auto.MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES.items():
        if kind in generating:  # the encoder of an encoder and a decoder, as a class of its own
            yield name


def _decided(heads: set[str]) -> str:
    return min(heads, key=PRECEDENCE.index)


def _likeliest(names: list[str], heads: Mapping[str, set[str]]) -> str:
    return min(names, key=lambda name: LIKELIEST.index(_decided(heads[name])))


def _auto_classes() -> Iterator[tuple[str, str]]:
    """`AutoModelForCausalLM` -> `causal-lm`, as models that bring code of their own name what their classes are."""
    from transformers.models.auto import modeling_auto

    maps = {id(value): name for name, value in vars(modeling_auto).items() if name.endswith("MAPPING")}
    for name, value in vars(modeling_auto).items():
        mapping = getattr(value, "_model_mapping", None)
        if name.startswith("AutoModel") and id(mapping) in maps:
            yield name, _head(maps[id(mapping)])


def diffusers_facts() -> dict[str, Any]:
    """The pipelines of diffusers and what each makes, as its auto maps and its names say; '' where neither does."""
    with tempfile.TemporaryDirectory() as folder:
        uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"
        wanted = f"diffusers=={DIFFUSERS}"
        subprocess.run([uv, "pip", "install", "--quiet", "--no-deps", "--target", folder, wanted], check=True)
        pipelines = Path(folder, "diffusers", "pipelines")
        mapped = dict(_mapped_pipelines(pipelines / "auto_pipeline.py"))
        families = dict(_families(pipelines / "__init__.py"))
    made = {name: _made(name, mapped, family) for family in families.values() for name in family}
    return {"version": DIFFUSERS, "pipelines": dict(sorted(made.items()))}


#: Of diffusers' maps, by the end of what they are called -> what their pipelines make.
_AUTO = {"2IMAGE": "image", "INPAINT": "image", "2AUDIO": "audio", "2VIDEO": "video"}

#: Words in the names of pipelines -> what they make; the first that a name has counts, and '' is a part of a whole.
_WORDS = (
    (("SuperResolution", "Upscale"), "larger-image"),
    (("DepthPipeline",), "depth"),
    (("LatentUpsample", "Normals", "Intrinsics", "PriorPipeline", "PriorEmb2Emb", "ShapE"), ""),
    (("Audio", "Music", "Spectrogram", "DanceDiffusion"), "audio"),
    (("Video", "Animate", "ToWorld", "I2V", "T2V"), "video"),
    (("Image", "Img2Img", "Inpaint", "T2I", "I2I", "2Pix", "StableDiffusion"), "image"),
)


def _mapped_pipelines(file: Path) -> Iterator[tuple[str, str]]:
    for node in ast.parse(file.read_text()).body:
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        name = node.targets[0].id.removesuffix("_PIPELINES_MAPPING").removesuffix("_DECODER")
        made = next((made for end, made in _AUTO.items() if name.endswith(end)), "")
        for pair in ast.walk(node.value) if made else ():
            if isinstance(pair, ast.Tuple) and isinstance(pair.elts[-1], ast.Name):
                yield pair.elts[-1].id, made


def _families(file: Path) -> Iterator[tuple[str, list[str]]]:
    """The folder that a pipeline is in -> its pipelines."""
    families: dict[str, list[str]] = defaultdict(list)
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module:
            families[node.module] += [alias.name for alias in node.names if alias.name.endswith("Pipeline")]
    yield from families.items()


def _made(name: str, mapped: Mapping[str, str], family: list[str]) -> str:
    """By its name, then by the map that has it, then by what its kin make when they all make the same."""
    made = _made_by_name(name)
    if made is None:
        made = mapped.get(name)
    if made is None:
        kin = {mapped.get(other) or _made_by_name(other) for other in family} - {None, "", "larger-image"}
        made = kin.pop() if len(kin) == 1 else ""
    return made or ""


def _made_by_name(name: str) -> str | None:
    return next((made for words, made in _WORDS if any(word in name for word in words)), None)


def gguf_facts() -> dict[str, Any]:
    """The architectures that GGUF files may name."""
    from gguf.constants import MODEL_ARCH_NAMES

    return {"version": version("gguf"), "architectures": sorted(MODEL_ARCH_NAMES.values())}


def main() -> None:
    """Writes the file, or tells that it is old."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="exit 1 when the file is old")
    facts = {"transformers": transformers_facts(), "diffusers": diffusers_facts(), "gguf": gguf_facts()}
    text = json.dumps(facts, indent=1) + "\n"
    if not parser.parse_args().check:
        OUT.write_text(text)
    elif not OUT.is_file() or OUT.read_text() != text:
        sys.exit(f"{OUT.name} is not what the libraries say; run: python registry/generate.py")


if __name__ == "__main__":
    main()
