"""What the errors of Hugging Face's servers have in common."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from panope_server.transport.error_json import ErrorFieldsJson

#: The detail by which Envoy's hook gives an error the shape `{"error", "error_type"}`.
ERROR_TYPE = "error_type"
#: The status of a request that such a server cannot take.
UNPROCESSABLE = 422


class HuggingFaceErrorJson(TypedDict):
    """An error of the paths that embed, compare and generate.

    Attributes:
        error: a sentence, or the fields of every error where the edge answered by itself.
        error_type: the word of Text Embeddings Inference, or that of Text Generation Inference.
    """

    error: str | ErrorFieldsJson
    error_type: NotRequired[str]
