"""How to embed, in the words of every client: one set of fields for each body that brings texts.

OpenAI's clients write few of them; Hugging Face's, vLLM's, NVIDIA's and Cohere's each have names of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct

from panope_backends.errors import InvalidInputError
from panope_server.tasks.embed import EmbedInput, Purpose
from panope_server.tasks.vision.embed_images import EmbedImagesInput
from panope_server.transport.rest.embedding.image_inputs import Images
from panope_server.transport.rest.embedding.inputs import Input
from panope_server.transport.rest.embedding.vectors import Encoding

#: What the texts are for, in all words that clients have for it.
_PURPOSES: Mapping[str, Purpose] = {
    "query": "query",
    "search_query": "query",
    "document": "document",
    "passage": "document",
    "search_document": "document",
}


_OF_TEXTS = ("truncate", "truncation_direction", "truncate_prompt_tokens", "prompt_name", "input_type")


class EmbedOptions(Struct, forbid_unknown_fields=True, kw_only=True):
    """How to embed.

    Attributes:
        truncate: Whether to cut a text that is too long instead of refusing it, or at which side: `START` or `END`.
            Default: refuse.
        truncation_direction: The side that is cut, with `truncate`. Default: `right`.
        truncate_prompt_tokens: As vLLM has it: -1 cuts texts at the end to the model's own limit.
        input_type: What the texts are for: the model's own prompt for that goes before each, if it has one.
        add_special_tokens: Only `true`, which is how texts are embedded.
        image_pooling: How what the model gives for an image becomes one vector, as of ImagePooling.
    """

    encoding_format: Encoding | None = None
    dimensions: Annotated[int, Meta(ge=1)] | None = None
    normalize: bool | None = None
    prompt_name: str | None = None
    input_type: Literal["query", "passage", "document", "search_query", "search_document"] | None = None
    truncate: bool | Literal["NONE", "START", "END"] | None = None
    truncation_direction: Literal["left", "right", "Left", "Right"] | None = None
    truncate_prompt_tokens: Literal[-1] | None = None
    add_special_tokens: bool | None = None
    image_pooling: Literal["pooler", "cls", "patch_mean"] | None = None


class Wanted:
    """The options of one body, which may hold them at two places.

    Args:
        body: with options of its own.
        nested: an object in it with more of them; None for none.
        where: the name of that object.

    Raises:
        InvalidInputError: an option is given twice and differs.
    """

    def __init__(self, body: EmbedOptions, nested: EmbedOptions | None = None, where: str = "") -> None:
        self.options = EmbedOptions()
        self._where = dict.fromkeys(EmbedOptions.__struct_fields__, "")
        for name in EmbedOptions.__struct_fields__:
            given = getattr(body, name)
            if nested is not None and (more := getattr(nested, name)) is not None:
                if given not in (None, more):
                    raise InvalidInputError(f"`{where}.{name}` and `{name}` differ", field=f"{where}.{name}")
                given, self._where[name] = more, f"{where}."
            setattr(self.options, name, given)

    @property
    def names(self) -> dict[str, str]:
        """What the body calls the fields of EmbedInput."""
        told = {name: f"{where}{name}" for name, where in self._where.items()}
        return told | {"truncation": told["truncate"], "purpose": told["input_type"]}

    def any_input(self, given: Input | Images, *, own_ids: bool = True) -> EmbedInput | EmbedImagesInput:
        """As `embed_input`, of texts or images.

        Raises:
            InvalidInputError: an option of the other kind, too.
        """
        if isinstance(given, Input):
            return self.embed_input(given, own_ids=own_ids)
        options = self.options
        for name in _OF_TEXTS:
            if getattr(options, name) not in (None, False, "NONE"):
                raise self._refusal(name, "is of texts, and these are images")
        return EmbedImagesInput(
            given.images,
            normalize=options.normalize,
            dimensions=options.dimensions,
            image_pooling=options.image_pooling or "",
        )

    def embed_input(self, given: Input, *, own_ids: bool = True, direction_alone: bool = False) -> EmbedInput:
        """What the body asks for.

        Args:
            given: the texts.
            own_ids: whether token ids are the model's own.
            direction_alone: whether a direction may be given where nothing is cut, as TEI's clients do.

        Raises:
            InvalidInputError: options that exclude each other, or that cannot be honoured.
        """
        options = self.options
        if options.add_special_tokens is False:
            raise self._refusal("add_special_tokens", "must be `true`: texts are embedded with their special tokens")
        if options.image_pooling is not None:
            raise self._refusal("image_pooling", "is of images, and these are texts")
        if options.input_type and options.prompt_name is not None:
            raise self._refusal("input_type", "and `prompt_name` exclude each other")
        return EmbedInput(
            given.texts,
            given.token_sequences,
            own_ids=own_ids,
            truncation=self._truncation(direction_alone),
            normalize=options.normalize,
            dimensions=options.dimensions,
            prompt_name=options.prompt_name,
            purpose=_PURPOSES[options.input_type] if options.input_type else "",
        )

    def _truncation(self, direction_alone: bool) -> str:
        options = self.options
        cut, side = options.truncate, (options.truncation_direction or "").lower()
        if options.truncate_prompt_tokens is not None:
            if cut is not None:
                raise self._refusal("truncate_prompt_tokens", "and `truncate` exclude each other")
            cut = "END"
        if side and cut in {None, False, "NONE"} and not direction_alone:
            raise self._refusal("truncation_direction", "has no effect without `truncate`: true")
        if side and cut in {"START", "END"} and (side == "left") != (cut == "START"):
            raise self._refusal("truncation_direction", "names another side than `truncate`")
        if cut in {None, False, "NONE"}:
            return "refuse"
        return "start" if cut == "START" or side == "left" else "end"

    def _refusal(self, name: str, complaint: str) -> InvalidInputError:
        field = f"{self._where[name]}{name}"
        return InvalidInputError(f"`{field}` {complaint}", field=field)
