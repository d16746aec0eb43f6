"""Makes jobs of the server's messages, for one model that writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from panope.worker.v1.ocr_pb2 import OcrInput
from panope_backends.api import FeatureSpec, GenerationRequest, SamplingParams, SourceFeatures, TokenRules
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.media.limits import MediaLimits
from panope_backends.media.processors import ImageProcessor, trial_image
from panope_backends.tasks.generate.defaults import GenerationDefaults
from panope_backends.tasks.images import read_image
from panope_backends.tasks.ocr.written.job import WriteJob, WrittenPage, WrittenText
from panope_backends.tasks.ocr.written.parsed import TagReader, without_tags
from panope_backends.tasks.ocr.written.prompts import END_OF_ANSWER, UNSUPPORTED, Prompts

_PIXELS = "pixel_values"


@dataclass(frozen=True)
class WriteRequests:
    """What makes jobs for one model.

    Attributes:
        processor: makes the encoder's input of an image.
        features: that the encoder reads.
        prompts: what answers go on from.
        defaults: of the model's files.
        max_positions: of its decoder.
        tags: reads what is a tree of them; None for a model that writes plain text.
        limits: that images must keep.
    """

    processor: ImageProcessor
    features: FeatureSpec
    prompts: Prompts
    defaults: GenerationDefaults
    max_positions: int
    tags: TagReader | None
    limits: MediaLimits

    def prepare(self, data: bytes) -> WriteJob:
        """The job of a message.

        Raises:
            InvalidInputError: a field of the request is wrong for this model, or an image is not read.
        """
        message = OcrInput.FromString(data)
        if message.HasField("document"):
            raise InvalidInputError.at(
                "document",
                "{field}: the model reads whole images, and no pages of documents; send each page as an image",
                reason=UNSUPPORTED,
            )
        if message.words:
            raise InvalidInputError.at("words", "{field}: the model does not tell where they are", reason=UNSUPPORTED)
        context = self.prompts.tokens(message.prompt, message.question)
        most = self._most_tokens(message, len(context))
        requests, pages = [], []
        for index, image in enumerate(message.images, message.first_index):
            field = f"images[{index}]"
            decoded = read_image(image, field, self.limits)
            requests.append(self._request(self._read(decoded, field), context, most))
            pages.append(WrittenPage(*decoded.size, field))
        is_answer = bool(message.question)
        return WriteJob(requests, pages, message.threshold, lambda ids: self._text(ids, is_answer=is_answer))

    def trial(self) -> GenerationRequest:
        """A token of what is read in an image of colours.

        Raises:
            PreconditionError: the processor makes of it what the encoder does not read.
        """
        try:
            features = self._read(trial_image(0), "images[0]")
        except InvalidInputError as error:
            raise PreconditionError("the model's processor cannot read an image", reason="load_failed") from error
        return self._request(features, self.prompts.start, 1)

    def _read(self, image: Image.Image, field: str) -> SourceFeatures:
        pixels = self.processor.arrays(image, field).get(_PIXELS)
        if pixels is None or pixels.shape != self.features.shape:
            made = "nothing" if pixels is None else " × ".join(map(str, pixels.shape))
            wanted = " × ".join(map(str, self.features.shape))
            raise PreconditionError(
                f"the model's processor makes {made} of an image, and its encoder reads {wanted}",
                reason="unsupported_model",
            )
        return SourceFeatures(np.ascontiguousarray(pixels, np.float32))

    def _request(self, features: SourceFeatures, context: tuple[int, ...], most: int) -> GenerationRequest:
        values = self.defaults.values
        return GenerationRequest(
            id=0,
            features=features,
            decoder_token_ids=context,
            sampling=SamplingParams(
                temperature=0.0,
                repetition_penalty=float(values.get("repetition_penalty", 1.0)),
                no_repeat_ngram_size=int(values.get("no_repeat_ngram_size", 0)),
            ),
            max_tokens=most,
            min_tokens=min(most, int(values.get("min_tokens", 0))),
            forced_eos_token_ids=self.defaults.forced_eos_token_ids,
            token_rules=TokenRules(self.defaults.suppressed_token_ids),
            logprobs=0,
        )

    def _most_tokens(self, message: OcrInput, context: int) -> int:
        left = self.max_positions - context
        if message.max_tokens > left:
            raise InvalidInputError.at(
                "max_tokens", "{field} must be at most {limit:,}, which the model has positions for", limit=left
            )
        if message.max_tokens:
            return message.max_tokens
        longest = self.defaults.max_length
        return max(1, min(left, longest - context if longest else int(self.defaults.values.get("max_tokens", left))))

    def _text(self, ids: Sequence[int], *, is_answer: bool) -> WrittenText:
        ids = [each for each in ids if each not in self.defaults.eos_token_ids]
        encoder = self.prompts.encoder
        if self.tags is None:
            return WrittenText(encoder.decode(ids))
        tagged = str(encoder.tokenizer.decode(ids, skip_special_tokens=False))
        if is_answer:
            return WrittenText(without_tags(tagged.partition(END_OF_ANSWER)[0]))
        return WrittenText(without_tags(tagged), self.tags.json(tagged))
