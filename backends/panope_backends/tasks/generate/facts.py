"""What the server is told of a loaded model."""

from __future__ import annotations

import json

from panope.worker.v1 import generate_pb2 as messages
from panope_backends.api import TokenModel
from panope_backends.tasks.generate.defaults import GenerationDefaults


def facts_of(model: TokenModel, defaults: GenerationDefaults) -> messages.GenerateFacts:
    """The message about a model."""
    return messages.GenerateFacts(
        max_positions=model.max_positions,
        vocab_size=model.vocab_size,
        slots=model.slots,
        honoured=sorted(model.honoured),
        defaults_json=json.dumps(dict(defaults.values)).encode(),
        eos_token_ids=defaults.eos_token_ids,
    )
