"""Fields of bodies that are read in a second step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from panope_server.tasks.embed.json_form import EmbedJson
from panope_server.tasks.generate.json_form import GenerateValue
from panope_server.transport.rest.classification import inputs as classification_inputs
from panope_server.transport.rest.classification import schemas as classification
from panope_server.transport.rest.embedding import image_inputs, inputs
from panope_server.transport.rest.hugging_face import schemas as hugging_face
from panope_server.transport.rest.openai import schemas as openai
from panope_server.transport.rest.openai.completions.schemas import CompletionBody
from panope_server.transport.rest.panope import (
    infer_schemas,
)
from panope_server.transport.rest.text_embeddings import schemas as tei

#: Fields that are read in a second step, and what that step takes.
READ_LATER: Mapping[tuple[type[Struct], str], Sequence[Any]] = {
    (openai.EmbeddingsBody, "input"): (*inputs.INPUTS, *image_inputs.INPUTS),
    (CompletionBody, "prompt"): inputs.INPUTS,
    (hugging_face.EmbedBody, "inputs"): (*inputs.INPUTS, *image_inputs.INPUTS),
    (infer_schemas.InferBody, "value"): (EmbedJson, GenerateValue),
    (tei.DecodeBody, "ids"): inputs.INPUTS[2:],
    (classification.ClassifyBody, "inputs"): classification_inputs.INPUTS,
    (classification.PredictBody, "inputs"): classification_inputs.PREDICT_INPUTS,
}
