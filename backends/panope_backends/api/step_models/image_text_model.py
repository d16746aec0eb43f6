"""Decoders that see images: a step model whose prompts have places where an image stands for a token.

Prompts. A prompt with images has a number, which the caller chooses and each step of its sequences names
(`StepBatch.image_prompts`). `open_prompt` says what the prompt is, `close_prompt` frees its number.
Several sequences may name the same one, as answers to one request do.

Images. `read_image` runs the vision tower over one image and keeps what stands in its places, until the prompt is
closed: the image is read once, however often its places are computed. A step may compute places of images that were
read, and no others. Behind the prompt, in the answer, the token `image_token_id` is a token like any other.

Blocks. What a block holds depends on the images whose places it has or that stand before it: blocks are shared by
sequences only where these are the same. The caller sees to that, as it owns the blocks.

Errors. Call `check_images` first in `open_prompt`. After `read_image` has failed the image is not read, and all else is
as it was.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from panope_backends.api.step_models.prompt_image import PromptImage
from panope_backends.api.step_models.step_batch import Integers
from panope_backends.api.step_models.step_checks import check_images
from panope_backends.api.step_models.step_model import StepModel


class ImageTextModel(StepModel):
    """A step model that sees images."""

    image_token_id: int
    """Stands at every place of an image."""

    @abstractmethod
    def open_prompt(self, number: int, tokens: Integers, images: Sequence[PromptImage]) -> None:
        """Says which prompt has a number, in the place of what had it before.

        Args:
            number: from 0.
            tokens: ids of the whole prompt, those of places included.
            images: at least one, in the order of their places.

        Raises:
            InvalidInputError: `check_images` refuses them.
        """

    @abstractmethod
    def read_image(self, number: int, index: int) -> None:
        """Runs the vision tower over one image of a prompt.

        Args:
            number: of the prompt.
            index: of the image in it.

        Raises:
            InvalidInputError: the model makes more or less of the image than it has places.
        """

    @abstractmethod
    def close_prompt(self, number: int) -> None:
        """Forgets a prompt and frees what is kept of its images; one that is not open is ignored."""

    def prove(self, tokens: Integers, images: Sequence[PromptImage]) -> None:
        """Compares steps over a prompt with what the engine's library computes of it at once, before any `allocate`.

        Engines that have shown it otherwise, such as when they converted the model, do nothing.

        Raises:
            PreconditionError: they differ (`unsupported_model`): images of this model would be answered wrong.
        """

    def check_images(self, tokens: Integers, images: Sequence[PromptImage]) -> None:
        """Checks what `open_prompt` takes; a prompt without images passes where no token of it is a place.

        Raises:
            InvalidInputError: the field `images`.
        """
        check_images(tokens, images, image_token_id=self.image_token_id)
