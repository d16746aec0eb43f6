"""A model's own processor, as transformers has it: arrays for the vision tower, and a text with an image's places.

Needs transformers and Pillow; torch for nothing that transformers does without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.tasks.tokenizer_making import import_transformers, quiet

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

#: What a processor gives of texts; all else is of images.
_OF_TEXTS = frozenset(
    {"input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids", "text_replacement_offsets"}
)


@dataclass(frozen=True)
class PreparedImage:
    """What a processor made of an image.

    Attributes:
        text: what stands for it in a prompt; each `placeholder` in it is one place.
        inputs: of the model's vision tower.
        digest: of both.
    """

    text: str
    inputs: Mapping[str, np.ndarray[Any, Any]]
    digest: bytes


class PromptImageProcessor:
    """One model's processor.

    Args:
        processor: of transformers.

    Attributes:
        placeholder: what chat templates write for an image, and a place of it.
        image_token_id: of that text.
        chat_templates: of the processor, by name; empty where it has none of its own.
    """

    def __init__(self, processor: Any) -> None:
        self.placeholder = str(processor.image_token)
        self.image_token_id = int(processor.tokenizer.convert_tokens_to_ids(self.placeholder))
        template = processor.chat_template
        self.chat_templates = {"default": template} if isinstance(template, str) else dict(template or {})
        self._processor = processor

    def prepare(self, image: Image.Image, path: str) -> PreparedImage:
        """What the model is given of an image.

        Args:
            image: in RGB.
            path: of the field that it came in.

        Raises:
            InvalidInputError: nothing can be made of it, such as of one of a single pixel.
        """
        try:
            made = self._processor(
                images=[image], text=[self.placeholder], return_tensors="np", return_text_replacement_offsets=True
            )
            ((replaced,),) = made["text_replacement_offsets"]
        except MemoryError:
            raise
        except Exception:  # sizes that come to nothing fail anywhere in it
            width, height = image.size
            raise InvalidInputError.at(
                path,
                "{field} has {width:,} × {height:,} pixels, of which the model's processor makes nothing",
                width=width,
                height=height,
            ) from None
        inputs = {name: _array(value) for name, value in made.items() if name not in _OF_TEXTS}
        text = str(replaced["replacement"])
        return PreparedImage(text, inputs, _digest(text, inputs))


def load_processor(folder: Path, config: Mapping[str, Any]) -> PromptImageProcessor:
    """The processor of a model.

    Args:
        folder: its files.
        config: its config.json.

    Raises:
        PreconditionError: it has none, or one that does not say what stands for an image.
    """
    transformers = import_transformers()
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES

    name = PROCESSOR_MAPPING_NAMES.get(str(config.get("model_type")), "")
    try:
        with quiet(transformers):
            made = _of_images(getattr(transformers, name)).from_pretrained(
                folder, backend="pil", local_files_only=True, trust_remote_code=False
            )
            return PromptImageProcessor(made)
    except Exception as error:  # files are checked by errors of no family
        raise PreconditionError(
            "images of this model are not read: transformers makes no processor of its files", reason="load_failed"
        ) from error


def _of_images(kind: Any) -> Any:
    """A processor's class without what reads videos, which no request has."""

    class OfImages(kind):  # type: ignore[misc]  # a class of transformers, whichever
        @classmethod
        def get_attributes(cls) -> list[str]:
            return [name for name in super().get_attributes() if "video" not in name]

    return OfImages


def _array(value: Any) -> Any:
    import numpy as np

    return np.ascontiguousarray(value)


def _digest(text: str, inputs: Mapping[str, Any]) -> bytes:
    digest = blake2b(text.encode(), digest_size=32)
    for name in sorted(inputs):
        array = inputs[name]
        digest.update(f"\0{name} {array.dtype} {array.shape}\0".encode())
        digest.update(array)
    return digest.digest()
