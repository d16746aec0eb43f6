"""How classes of transformers write of an image, of which their vision tower looks at each image once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import SimpleNamespace
from typing import Any

import torch

from panope_backends.engines.torch.encoder_decoder.facts import reads_images
from panope_backends.errors import PreconditionError
from panope_backends.model_facts.image_models import image_places, reads_whole_prompts

_PIXELS = "pixel_values"


class ImageWriter(ABC):
    """A module, and how it is asked."""

    prompt: tuple[int, ...] = ()
    """What stands before every answer, to try the module with."""

    def whole(self, pixels: Any, tokens: Any) -> Any:
        """The same of an image that the module is given itself, `[tokens, vocabulary]`; None where it takes none so."""
        del pixels, tokens

    @abstractmethod
    def see(self, pixels: Any) -> Any:
        """What is kept of an image, with `last_hidden_state`."""

    @abstractmethod
    def logits(self, seen: Any, tokens: Any) -> Any:
        """Of each token of a text, `[tokens, vocabulary]`."""


class _Seen(torch.nn.Module):  # type: ignore[misc]  # torch is not read (see pyproject.toml)
    """Stands in the place of a vision tower, and gives what that made of an image before."""

    def __init__(self, tower: Any) -> None:
        super().__init__()
        self.tower, self.config = tower, tower.config
        self.states: Any = None

    def forward(self, *_arguments: Any, **_keywords: Any) -> Any:
        return self.states


class CaptionWriter(ImageWriter):
    """Any class that takes pixels beside a text, and gives logits of it last: BLIP, GIT, an encoder with a decoder.

    Args:
        module: loaded.

    Raises:
        PreconditionError: no part of it says that it reads pixels.
    """

    def __init__(self, module: Any) -> None:
        name = _tower_of(module)
        parent, _, own = name.rpartition(".")
        self._seen = _Seen(module.get_submodule(name))
        setattr(module.get_submodule(parent) if parent else module, own, self._seen)
        self._module = module
        self._text = "decoder_input_ids" if reads_images(module.config) else "input_ids"

    def see(self, pixels: Any) -> Any:
        """Runs the tower."""
        return self._seen.tower(**{_PIXELS: pixels})

    def logits(self, seen: Any, tokens: Any) -> Any:
        """Runs the rest; what it says of the image's own places, which come first where there are such, is left out."""
        self._seen.states = seen
        try:
            # The tower would read them; some classes look at how many axes there are.
            no_pixels = torch.zeros(1, 0, 0, 0, dtype=self._module.dtype, device=tokens.device)
            made = self._module(**{_PIXELS: no_pixels, self._text: tokens[None]}, use_cache=False)
        finally:
            self._seen.states = None
        return made.logits[0, -len(tokens) :]


class PlacesWriter(ImageWriter):
    """BLIP-2's class: what it makes of an image stands in the places of the first tokens of a text.

    Args:
        module: loaded.
    """

    def __init__(self, module: Any) -> None:
        self._module = module
        self.prompt = image_places(module.config.to_dict())

    def see(self, pixels: Any) -> Any:
        """Runs all that comes before the language model."""
        made = self._module.get_image_features(pixels, return_dict=True)
        return SimpleNamespace(last_hidden_state=made.pooler_output)

    def logits(self, seen: Any, tokens: Any) -> Any:
        """Of the places too."""
        states = self._module.get_input_embeddings()(tokens[None])
        image = seen.last_hidden_state.to(states.dtype)
        embeds = torch.cat([image, states[:, image.shape[1] :]], dim=1)
        return self._module.language_model(inputs_embeds=embeds, use_cache=False).logits[0]


class PromptWriter(ImageWriter):
    """Classes that read image and words of a prompt in both directions: BLIP-2 with T5, and PaliGemma.

    A text is the places of the image, the words, one place more, which is not run and says that the answer begins, and
    the answer. What stands at that place is said of the first token of the answer.

    Args:
        module: loaded.
    """

    def __init__(self, module: Any) -> None:
        config = module.config.to_dict()
        self._module, self._places = module, image_places(config)
        text = module.config.text_config
        self._start = int(text.decoder_start_token_id) if text.is_encoder_decoder else None
        self.prompt = (*self._places, 1, 2, 3, self._places[0])

    def see(self, pixels: Any) -> Any:
        """Runs all that comes before the language model."""
        made = self._module.get_image_features(pixels, return_dict=True)
        return SimpleNamespace(last_hidden_state=made.pooler_output)

    def logits(self, seen: Any, tokens: Any) -> Any:
        """Zeros for the prompt's tokens, of which nothing is asked."""
        prompt, answer = self._parts(tokens)
        embed, places = self._module.get_input_embeddings(), len(self._places)
        words = embed(prompt[places:])
        states = torch.cat([seen.last_hidden_state[0].to(words.dtype), words])
        if self._start is None:
            states = torch.cat([states, embed(answer)])[None]
            told = {"token_type_ids": _types(prompt, answer)}
            said = self._module(inputs_embeds=states, **told, use_cache=False).logits[0, len(prompt) - 1 :]
        else:
            model, started = self._module.language_model, self._started(answer)
            said = model(inputs_embeds=states[None], decoder_input_ids=started, use_cache=False).logits[0]
        return torch.cat([said.new_zeros(len(prompt), said.shape[-1]), said])

    def whole(self, pixels: Any, tokens: Any) -> Any:
        """The image and the text at once; no place of an image may stand in the answer."""
        prompt, answer = self._parts(tokens)
        if self._start is not None:
            given = {"input_ids": prompt[None], "decoder_input_ids": self._started(answer)}
        else:
            given = {"input_ids": torch.cat([prompt, answer])[None], "token_type_ids": _types(prompt, answer)}
        return self._module(pixel_values=pixels, **given, use_cache=False).logits[0]

    def _parts(self, tokens: Any) -> tuple[Any, Any]:
        places = len(self._places)
        begins = places + int((tokens[places:] == self._places[0]).nonzero()[0, 0])
        return tokens[:begins], tokens[begins + 1 :]

    def _started(self, answer: Any) -> Any:
        return torch.cat([answer.new_tensor([self._start]), answer])[None]


def _types(prompt: Any, answer: Any) -> Any:
    """What is read in both directions, and what is not."""
    return torch.cat([torch.zeros_like(prompt), torch.ones_like(answer)])[None]


class AnswerWriter(ImageWriter):
    """BLIP's class for questions: an encoder reads the question beside the image, and a decoder sees that alone.

    A text is the question's tokens, the one that an answer begins with, and the answer's.

    Args:
        module: loaded.
    """

    def __init__(self, module: Any) -> None:
        self._module = module
        self._begin = int(module.config.text_config.bos_token_id)
        self.prompt = (1, 2, 3, self._begin)

    def see(self, pixels: Any) -> Any:
        """Runs the tower."""
        return self._module.vision_model(pixel_values=pixels)

    def logits(self, seen: Any, tokens: Any) -> Any:
        """Zeros for the question's tokens, of which nothing is asked."""
        begin = int((tokens == self._begin).nonzero()[0, 0])
        question = self._module.text_encoder(
            input_ids=tokens[None, :begin], encoder_hidden_states=seen.last_hidden_state
        ).last_hidden_state
        made = self._module.text_decoder(
            input_ids=tokens[None, begin:], encoder_hidden_states=question, use_cache=False
        ).logits[0]
        return torch.cat([made.new_zeros(begin, made.shape[-1]), made])


def writer_of(module: Any, *, reads_questions: bool) -> ImageWriter:
    """How a module is asked; errors as of the writers."""
    if reads_questions:
        return AnswerWriter(module)
    config = module.config.to_dict()
    if reads_whole_prompts(config):
        return PromptWriter(module)
    return PlacesWriter(module) if image_places(config) else CaptionWriter(module)


def _tower_of(module: Any) -> str:
    """The name of the outermost part that transformers says reads pixels."""
    for name, part in module.named_modules():
        if name and getattr(type(part), "main_input_name", "") == _PIXELS:
            return str(name)
    raise PreconditionError("no part of the model reads images", reason="unsupported_model")
