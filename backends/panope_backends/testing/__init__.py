"""For authors of backends: the conformance suites, small models and small backends to test with.

The suites are imported when they are asked for, because they need pytest and the small backends do not.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from panope_backends.testing.checksum_encoder_decoder import ChecksumEncoderDecoder, ChecksumEncoderDecoderBackend
from panope_backends.testing.checksum_image_text_model import ChecksumImageTextModel, checksum_image
from panope_backends.testing.checksum_step_model import ChecksumBackend, ChecksumStepModel, RunningChecksumStepModel
from panope_backends.testing.doubles import (
    BlendingBackend,
    CrashBackend,
    EchoBackend,
    FragileBackend,
    HangBackend,
    SlowBackend,
)
from panope_backends.testing.echo_token_model import EchoTokenBackend, EchoTokenModel

if TYPE_CHECKING:
    from panope_backends.testing.contracts.classification_model import ClassificationModelContract
    from panope_backends.testing.contracts.converter import ConverterContract
    from panope_backends.testing.contracts.diffusion_model import DiffusionModelContract
    from panope_backends.testing.contracts.embedding_model import EmbeddingModelContract
    from panope_backends.testing.contracts.encoder_decoder_model import EncoderDecoderContract
    from panope_backends.testing.contracts.step_model import StepModelContract
    from panope_backends.testing.contracts.tensor_model import TensorModelContract
    from panope_backends.testing.contracts.token_model import TokenModelContract

__all__ = [
    "BlendingBackend",
    "ChecksumBackend",
    "ChecksumEncoderDecoder",
    "ChecksumEncoderDecoderBackend",
    "ChecksumImageTextModel",
    "ChecksumStepModel",
    "ClassificationModelContract",
    "ConverterContract",
    "CrashBackend",
    "DiffusionModelContract",
    "EchoBackend",
    "EchoTokenBackend",
    "EchoTokenModel",
    "EmbeddingModelContract",
    "EncoderDecoderContract",
    "FragileBackend",
    "HangBackend",
    "RunningChecksumStepModel",
    "SlowBackend",
    "StepModelContract",
    "TensorModelContract",
    "TokenModelContract",
    "checksum_image",
]


_SUITES = {
    "ClassificationModelContract": "panope_backends.testing.contracts.classification_model",
    "ConverterContract": "panope_backends.testing.contracts.converter",
    "DiffusionModelContract": "panope_backends.testing.contracts.diffusion_model",
    "EmbeddingModelContract": "panope_backends.testing.contracts.embedding_model",
    "EncoderDecoderContract": "panope_backends.testing.contracts.encoder_decoder_model",
    "StepModelContract": "panope_backends.testing.contracts.step_model",
    "TensorModelContract": "panope_backends.testing.contracts.tensor_model",
    "TokenModelContract": "panope_backends.testing.contracts.token_model",
}


def __getattr__(name: str) -> object:
    if name not in _SUITES:
        raise AttributeError(name)
    import pytest

    pytest.register_assert_rewrite("panope_backends.testing.contracts")
    return getattr(importlib.import_module(_SUITES[name]), name)
