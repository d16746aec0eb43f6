"""What the errors of Hugging Face's servers have in common."""

from __future__ import annotations

#: The detail by which Envoy's hook gives an error the shape `{"error", "error_type"}`.
ERROR_TYPE = "error_type"
#: The status of a request that such a server cannot take.
UNPROCESSABLE = 422
