"""Hugging Face's bodies of images that are drawn."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from panope_server.tasks.vision.image_generation import GeneratedFormat, ImageGenerationInput
from panope_server.transport.rest.hugging_face.schemas import CallOptions
from panope_server.transport.rest.image_generation.openai_schemas import Guidance, Seed, Steps, Strength

Side = Annotated[int, Meta(ge=1)]
Text = Annotated[str, Meta(min_length=1)]


class DrawingParameters(Struct, forbid_unknown_fields=True, kw_only=True):
    """How to draw.

    Attributes:
        negative_prompt: What is not to be seen.
        num_inference_steps: Denoising steps.
        guidance_scale: How closely to keep to the prompt.
        seed: Draws the same image each time.
        output_format: Of the file. Not of Hugging Face's.
    """

    negative_prompt: str | None = None
    num_inference_steps: Steps | None = None
    guidance_scale: Guidance | None = None
    seed: Seed | None = None
    output_format: GeneratedFormat = "png"


class TextToImageParameters(DrawingParameters, forbid_unknown_fields=True, kw_only=True):
    """How to draw.

    Attributes:
        width: In pixels.
        height: In pixels.
    """

    width: Side | None = None
    height: Side | None = None


class TextToImageBody(Struct, forbid_unknown_fields=True):
    """What InferenceClient.text_to_image sends, and `model`.

    Attributes:
        inputs: What is to be seen.
        model: Absent for the model of the path, or for the default model.
        parameters: How to draw it.
        options: How to treat the call.
    """

    inputs: Text
    model: Text | None = None
    parameters: TextToImageParameters | None = None
    options: CallOptions | None = None


class TargetSize(Struct, forbid_unknown_fields=True):
    """The size of the answer, in pixels."""

    width: Side
    height: Side


class ImageToImageParameters(DrawingParameters, forbid_unknown_fields=True, kw_only=True):
    """How to draw.

    Attributes:
        prompt: What is to be seen.
        target_size: Of the answer; absent for that of the image.
        strength: How much of the image may change. Not of Hugging Face's.
        mask_image: What of it is drawn anew: what is white in an image in base64. Not of Hugging Face's.
    """

    prompt: Text
    target_size: TargetSize | None = None
    strength: Strength | None = None
    mask_image: Text | None = None


class ImageToImageBody(Struct, forbid_unknown_fields=True):
    """What InferenceClient.image_to_image sends with a prompt, and `model`.

    Attributes:
        inputs: The image in base64, or as a `data:` URL.
        parameters: How to draw it.
        model: Absent for the model of the path, or for the default model.
        options: How to treat the call.
    """

    inputs: Text
    parameters: ImageToImageParameters
    model: Text | None = None
    options: CallOptions | None = None


def drawing(prompt: str, how: DrawingParameters, width: int, height: int) -> ImageGenerationInput:
    """What parameters ask for, without an image to begin from."""
    return ImageGenerationInput(
        prompt,
        how.negative_prompt,
        width,
        height,
        how.num_inference_steps or 0,
        how.guidance_scale,
        seed=how.seed,
        output_format=how.output_format,
    )


_PARAMETERS = ("negative_prompt", "guidance_scale", "seed", "output_format", "strength", "width", "height")

#: Names of the body by those of the input.
NAMES = {
    **{name: f"parameters.{name}" for name in _PARAMETERS},
    "steps": "parameters.num_inference_steps",
    "prompt": "inputs",
}
NAMES_OF_IMAGE = NAMES | {
    "prompt": "parameters.prompt",
    "image": "inputs",
    "mask": "parameters.mask_image",
    "width": "parameters.target_size.width",
    "height": "parameters.target_size.height",
}
