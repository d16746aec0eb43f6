"""The section `[openai]`: what clients of OpenAI's API mean."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from panope_server.config.sections.values import OpenAiName


class OpenAiSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What clients of OpenAI's API mean: names of models or aliases, VENDOR/* for a vendor's, * for all.

    Token ids on /v1/embeddings are refused unless one of these names the model, for ids of another vocabulary than the
    model's give vectors of another text.
    """

    native_token_ids: Annotated[
        tuple[OpenAiName, ...],
        Meta(description="Models and aliases whose callers send token ids of the model's own vocabulary."),
    ] = ()
    cl100k_token_ids: Annotated[
        tuple[OpenAiName, ...],
        Meta(
            description="Models and aliases whose callers send token ids of OpenAI's cl100k_base, as LangChain does; "
            "they are turned into texts."
        ),
    ] = ()

    def __post_init__(self) -> None:
        if both := sorted(set(self.native_token_ids) & set(self.cl100k_token_ids)):
            raise ValueError(f"`native_token_ids` and `cl100k_token_ids` both name `{both[0]}`")

    def ids_of(self, asked: str, model: str) -> Literal["own", "cl100k", ""]:
        """Whose token ids callers send.

        Args:
            asked: the name that the caller wrote, which counts before what it means.
            model: that it means.
        """
        vendor, _, rest = model.partition("/")
        for name in (asked, model, f"{vendor}/*" if rest else model, "*"):
            if name in self.native_token_ids:
                return "own"
            if name in self.cl100k_token_ids:
                return "cl100k"
        return ""
