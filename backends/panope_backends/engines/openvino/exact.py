"""How graphs run where a conversion proves them: in float32 on the processor."""

from __future__ import annotations

from panope_backends.host.processors import threads_to_use


def exact_configuration() -> dict[str, object]:
    """OpenVINO's configuration for a proof, on as many processors as may be used."""
    threads = threads_to_use(0)
    return {"INFERENCE_PRECISION_HINT": "f32"} | ({"INFERENCE_NUM_THREADS": threads} if threads else {})
