"""What texts are for, as requests say it."""

from __future__ import annotations

from panope.worker.v1 import embed_pb2

QUERY, DOCUMENT = "query", "document"


def purpose_of(message: embed_pb2.EmbedInput) -> str:
    """What texts are for: as the request says, or the name of its prompt; empty where neither says."""
    if message.purpose:
        return str(message.purpose)
    return message.prompt_name if message.prompt_name in (QUERY, DOCUMENT) else ""
