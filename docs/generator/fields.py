"""What is said of the fields of JSON bodies: by their docstrings, by the protos, or here."""

from __future__ import annotations

import inspect as python_inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from described import Element
from msgspec import Struct

from panope_server.tasks.embed.json_form import EmbedValue
from panope_server.tasks.generate.json_form import GenerateValue
from panope_server.transport import job_json, usage_json
from panope_server.transport.rest.classification import schemas as classification
from panope_server.transport.rest.embedding.options import EmbedOptions
from panope_server.transport.rest.hugging_face import schemas as hugging_face
from panope_server.transport.rest.openai import schemas as openai
from panope_server.transport.rest.panope import (
    alias_schemas,
    infer_schemas,
    model_schemas,
    registry_schemas,
    spec_schemas,
    tensor_json,
)
from panope_server.transport.rest.text_embeddings import schemas as tei

PACKAGE = "panope.v1"

#: The bodies of REST requests, with the message whose comments tell about fields of the same name.
BODIES: Sequence[tuple[type[Struct], str]] = (
    (openai.EmbeddingsBody, "EmbedRequest"),
    (hugging_face.EmbedBody, "EmbedRequest"),
    (EmbedOptions, "EmbedRequest"),
    (hugging_face.CallOptions, "EmbedRequest"),
    (tei.SimilarityBody, "EmbedRequest"),
    (tei.SentencesBody, "EmbedRequest"),
    (tei.EmbedAllBody, "EmbedRequest"),
    (tei.TokenizeBody, "TokenizeRequest"),
    (tei.DecodeBody, "DetokenizeRequest"),
    (infer_schemas.InferBody, "InferRequest"),
    (tensor_json.TensorBody, "Tensor"),
    (tensor_json.OutputBody, "Tensor"),
    (EmbedValue, "EmbedRequest"),
    (classification.ClassifyBody, "ClassifyRequest"),
    (classification.RerankBody, "RerankRequest"),
    (classification.RankBody, "RerankRequest"),
    (GenerateValue, "GenerationOptions"),
    (registry_schemas.RegisterBody, "RegisterModelRequest"),
    (registry_schemas.SourceBody, "RegisterModelRequest"),
    (registry_schemas.PullBody, "PullModelRequest"),
    (registry_schemas.BuildBody, "BuildVariantRequest"),
    (registry_schemas.UpdateBody, "UpdateModelRequest"),
    (registry_schemas.PinBody, "PinModelRequest"),
    (alias_schemas.SetBody, "SetAliasRequest"),
    (alias_schemas.RollbackBody, "RollbackAliasRequest"),
    (model_schemas.LoadBody, "LoadModelRequest"),
    (model_schemas.UnloadBody, "UnloadModelRequest"),
)

#: The same for answers.
ANSWERS: Sequence[tuple[type, str]] = (
    (model_schemas.ModelInfoJson, "Model"),
    (model_schemas.VariantJson, "Variant"),
    (model_schemas.InstanceJson, "Instance"),
    (spec_schemas.EmbedSpecJson, "EmbedSpec"),
    (spec_schemas.ClassifySpecJson, "ClassifySpec"),
    (spec_schemas.TextSpecJson, "TextSpec"),
    (spec_schemas.GenerateSpecJson, "GenerateSpec"),
    (model_schemas.PinJson, "Pin"),
    (model_schemas.ProfileJson, "Profile"),
    (spec_schemas.TensorSpecJson, "TensorSpec"),
    (model_schemas.DeviceJson, "Device"),
    (job_json.JobJson, "Job"),
    (job_json.ProgressJson, "JobProgress"),
    (job_json.PartJson, "JobProgressPart"),
    (job_json.JobErrorJson, "JobError"),
    (usage_json.UsageSumJson, "Usage"),
    (alias_schemas.AliasJson, "Alias"),
    (alias_schemas.AliasEventJson, "AliasEvent"),
    (registry_schemas.FileJson, "ModelFile"),
)

#: Fields of REST bodies that no message has.
DESCRIPTIONS: Mapping[str, str] = {
    "encoding_format": "Vectors as numbers, or as base64 of little-endian 32-bit floats. Default: `float`.",
    "model_vendor": "The first part of the model's name; with `model_name`, or without both for that of its repo.",
    "model_name": "The second part of the model's name.",
    "source": "Where the model comes from.",
    "repo_id": "`vendor/name` on the hub; the model has the same name.",
    "provider": "The kind of source.",
    "datatype": "The type of every element.",
}

#: What a comment says of its message's other fields, which a REST body may not have.
_ADVICE = re.compile(r" (Required|Excludes `\w+`)\.")


def docstring(kind: type) -> tuple[str, dict[str, str]]:
    """A class's docstring: its text, and its attributes' texts."""
    text, _, attributes = python_inspect.cleandoc(kind.__doc__ or "").partition("\n\nAttributes:\n")
    entries = re.findall(r"^    (\w+): (.*(?:\n     +.*)*)", attributes, re.MULTILINE)
    return text, {name: sentence(description) for name, description in entries}


def descriptions_of(kind: type, fields: Iterable[str], message: str, public: Sequence[Element]) -> dict[str, str]:
    """What is said of each field, by its name; empty where nothing is."""
    described = {name: said for base in reversed(kind.__mro__) for name, said in docstring(base)[1].items()}
    fallback = dict(comments_of(message, public))
    return {
        name: described.get(name) or DESCRIPTIONS.get(name) or _ADVICE.sub("", fallback.get(name, ""))
        for name in map(str, fields)
    }


def comments_of(message: str, public: Sequence[Element]) -> Iterator[tuple[str, str]]:
    """The fields of a message and their comments."""
    prefix = f"{PACKAGE}.{message}."
    return ((element.node.name, element.comment) for element in public if element.name.startswith(prefix))


def sentence(text: str) -> str:
    """A text on one line that begins with a capital."""
    return " ".join(text[:1].upper().split()) + text[1:]


def plain(text: Any) -> str:
    """A text on one line for each paragraph, without the links of Markdown."""
    return "\n\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", str(text).strip()))
