"""Makes jobs of the server's messages, for one model that writes of images."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from panope.worker.v1 import generate_pb2 as messages
from panope_backends.api import FeatureSpec, GenerationRequest, SourceFeatures
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.media.limits import MediaLimits
from panope_backends.media.processors import ImageProcessor, trial_image
from panope_backends.tasks.generate.answer_text import PlainText
from panope_backends.tasks.generate.captions.prompts import CaptionPrompts
from panope_backends.tasks.generate.chat.conversations import Seen, image_paths, messages_of
from panope_backends.tasks.generate.chat.template_facts import TemplateFacts
from panope_backends.tasks.generate.defaults import GenerationDefaults
from panope_backends.tasks.generate.images.prompt_images import require_as_many
from panope_backends.tasks.generate.job import GenerateJob, Prompt, located
from panope_backends.tasks.generate.options import request_of
from panope_backends.tasks.generate.requests import Check
from panope_backends.tasks.generate.text_to_text import TextForm
from panope_backends.tasks.images import read_image

_PIXELS = "pixel_values"
_UNSUPPORTED = "unsupported_field"

#: Contents are read as parts, as of models that see images; no text of a caller has it.
_PLACE = "\0image"
_NO_TEMPLATE = TemplateFacts((), has_tools=False, has_developer=False, text="")

#: What is tried where a model answers questions; any text does.
_TRIAL = "a"


@dataclass(frozen=True)
class CaptionRequests:
    """What makes jobs for one model.

    Attributes:
        processor: makes the vision tower's input of an image.
        features: what the tower reads.
        prompts: what answers go on from.
        defaults: of the model's files.
        check: refuses what the model cannot honour.
        limits: that images must keep.
        stream_interval: tokens of an answer that one part of a stream has.
    """

    processor: ImageProcessor
    features: FeatureSpec
    prompts: CaptionPrompts
    defaults: GenerationDefaults
    check: Check
    limits: MediaLimits
    stream_interval: int = 1

    def prepare(self, data: bytes) -> GenerateJob:
        """The job of a message.

        Raises:
            InvalidInputError: a field of the request is wrong for this model, or an image is not read.
        """
        message = messages.GenerateInput.FromString(data)
        if not message.HasField("conversation"):
            field = "prompts" if message.prompts else "prompt_token_ids"
            raise InvalidInputError.at(
                f"{field}[{message.first_index}]",
                "{field}: the model writes of an image; send a message that has one",
                reason=_UNSUPPORTED,
            )
        _require_plain(message)
        text, path = self._text_and_image(message.conversation)
        context = self.prompts.tokens(text, "messages[0]")
        image = read_image(message.conversation.images[0], path, self.limits)
        form = TextForm(decoder_token_ids=context)
        request = request_of(message, self.defaults, form, features=self._read(image, path))
        prompt = Prompt(request, "messages")
        try:
            self.check(request)
        except InvalidInputError as error:
            raise located(error, prompt) from None
        return GenerateJob([prompt], stream=message.stream, text=PlainText, interval=self.stream_interval)

    def trial(self) -> GenerationRequest:
        """A token of an image of colours.

        Raises:
            PreconditionError: the processor makes of it what the vision tower does not read.
        """
        try:
            features = self._read(trial_image(0), "image")
            context = self.prompts.tokens(_TRIAL if self.prompts.reads_questions else "", "messages[0]")
        except InvalidInputError as error:
            raise PreconditionError("the model's processor cannot read an image", reason="load_failed") from error
        return GenerationRequest(id=0, features=features, decoder_token_ids=context, max_tokens=1)

    def _text_and_image(self, conversation: messages.Conversation) -> tuple[str, str]:
        """The text of the only message, and where its only image is."""
        paths = image_paths(conversation)
        require_as_many(conversation.images, paths)
        given = messages_of(conversation, _NO_TEMPLATE, seen=Seen(_PLACE))
        if len(given) != 1 or given[0]["role"] != "user":
            raise InvalidInputError.at(
                "messages[1]" if len(given) > 1 else "messages[0].role",
                "{field}: the model knows no conversations; send one message, of the role `user`, with one image",
                reason="unsupported_content",
            )
        if len(paths) != 1:
            raise InvalidInputError.at(
                paths[1] if paths else "messages[0]",
                "{field}: the model writes of one image; the message has {count}",
                reason="unsupported_content",
                count=len(paths),
            )
        parts: list[dict[str, Any]] = given[0]["content"]
        return "\n".join(part["text"] for part in parts if part["type"] == "text"), paths[0]

    def _read(self, image: Image.Image, field: str) -> SourceFeatures:
        pixels = self.processor.arrays(image, field).get(_PIXELS)
        if pixels is None or pixels.shape != self.features.shape:
            made = "nothing" if pixels is None else " × ".join(map(str, pixels.shape))
            wanted = " × ".join(map(str, self.features.shape))
            raise PreconditionError(
                f"the model's processor makes {made} of an image, and its vision tower reads {wanted}",
                reason="unsupported_model",
            )
        return SourceFeatures(np.ascontiguousarray(pixels, np.float32))


def _require_plain(message: messages.GenerateInput) -> None:
    """Refuses what only chat templates and prompts of tokens have."""
    given = message.conversation
    refused = {
        "tools": bool(given.tools_json) and given.tool_choice != "none",
        "template_kwargs": bool(given.template_kwargs_json) and bool(json.loads(given.template_kwargs_json)),
        "continue_final_message": given.continue_final_message,
        "truncate_prompt_tokens": message.HasField("truncate_prompt_tokens"),
    }
    for name, is_given in refused.items():
        if is_given:
            raise InvalidInputError.at(
                name,
                "{field} is not honoured: the model writes of images, without a chat template",
                reason=_UNSUPPORTED,
            )
