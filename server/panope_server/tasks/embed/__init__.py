"""Task `embed`: texts to vectors."""

from panope_server.tasks.embed.types import EmbedInput, EmbedOutput, EmbedSpec, Purpose, SparseVector

__all__ = ["EmbedInput", "EmbedOutput", "EmbedSpec", "Purpose", "SparseVector"]
