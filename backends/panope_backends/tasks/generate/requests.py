"""Makes jobs of the server's messages, for one loaded model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from panope.worker.v1.generate_pb2 import GenerateInput
from panope_backends.api import Conversation, GenerationRequest, TokenModel
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.tasks.generate.answer_text import AnswerText, PlainText
from panope_backends.tasks.generate.chat.chat_template import ChatTemplate
from panope_backends.tasks.generate.chat.chat_text import ChatText
from panope_backends.tasks.generate.chat.conversations import image_paths
from panope_backends.tasks.generate.defaults import GenerationDefaults
from panope_backends.tasks.generate.images.prompt_images import PromptImages, require_as_many
from panope_backends.tasks.generate.job import GenerateJob, Prompt, located
from panope_backends.tasks.generate.options import grammar_of, request_of
from panope_backends.tasks.generate.prompt_tokens import PromptTokens, no_fill_in
from panope_backends.tasks.generate.text_to_text import TextForm, TextForms
from panope_backends.tasks.task import Job

Check = Callable[[GenerationRequest], None]
"""Refuses a request that the model cannot honour, and does for it what takes long, such as compiling a grammar."""


@dataclass(frozen=True)
class GenerateRequests:
    """What makes jobs for one model.

    Attributes:
        model: that generates.
        defaults: of its files.
        check: refuses what the model cannot honour.
        tokens: makes tokens of prompts; None for a model that takes texts as they are.
        chat: makes prompts of conversations; None for a model without a chat template.
        forms: what becomes of texts that an encoder reads.
        adapter: that the model runs requests with, by its digest; empty for none.
        images: makes prompts with images; None for a model that sees none.
        stream_interval: tokens of an answer that one part of a stream has.
    """

    model: TokenModel
    defaults: GenerationDefaults
    check: Check
    tokens: PromptTokens | None
    chat: ChatTemplate | None = None
    forms: TextForms = field(default_factory=TextForms)
    adapter: str = ""
    images: PromptImages | None = None
    stream_interval: int = 1

    def prepare(self, data: bytes) -> Job:
        """The job of a message.

        Raises:
            InvalidInputError: a field of the request is wrong for this model.
        """
        message = GenerateInput.FromString(data)
        if message.HasField("conversation"):
            return self._chat(message)
        tells_answers = not message.HasField("max_tokens") or message.max_tokens > 0
        return self._job(self._prompts(message), message, PlainText, tells_answers)

    def _chat(self, message: GenerateInput) -> GenerateJob:
        if "conversation" in self.model.honoured:
            return self._conversation(message)
        if self.chat is None:
            raise PreconditionError("the model has no chat template", reason="no_chat_template")
        asked = self.chat.prompt(message.conversation, grammar_of(message))
        form, grammar = asked.form, asked.grammar
        if grammar is not None and not message.grammar_kind and "grammar" not in self.model.honoured:
            raise InvalidInputError.at(
                "tool_choice",
                "{field}: the model's engine honours no grammars, by which tools are called for sure",
                reason="unsupported_field",
            )
        prompt: dict[str, Any] = {"prompt": asked.text}
        if self.tokens is not None and self.images is not None:
            files, paths = message.conversation.images, image_paths(message.conversation)
            require_as_many(files, paths)
            ids, images = self.tokens.of_conversation(
                asked.text, self.images.prepared(files, paths), self.images, message
            )
            prompt = {"prompt_token_ids": ids, "images": images}
        elif self.tokens is not None:
            ids = self.tokens.of_text(asked.text, "messages", message, add_special_tokens=False)
            prompt = {"prompt_token_ids": ids}
        request = replace(request_of(message, self.defaults, **prompt), grammar=grammar)
        if form.mark_ids:  # marks are special tokens, which must have their text to be seen
            request = replace(request, skip_special_tokens=False)
        if not message.skip_special_tokens:
            form = replace(form, hidden=())
        grammar_path = "grammar" if message.grammar_kind else "tools"
        checked = self._checked(Prompt(request, "messages", grammar_path=grammar_path))
        return self._job([checked], message, lambda: ChatText(form))

    def _conversation(self, message: GenerateInput) -> GenerateJob:
        """The job of an engine that makes its prompts itself, and parts its answers."""
        given = message.conversation
        if given.images:
            path = next(iter(image_paths(given)), "messages")
            raise InvalidInputError.at(
                path, "{field} is an image, and the model's engine is sent text alone", reason="unsupported_content"
            )
        if message.HasField("truncate_prompt_tokens"):
            raise _not_without_tokenizer("truncate_prompt_tokens")
        conversation = Conversation(
            given.messages_json,
            given.tools_json,
            given.tool_choice,
            given.parallel_tool_calls,
            given.template_kwargs_json,
            given.continue_final_message,
        )
        request = request_of(message, self.defaults, conversation=conversation)
        return self._job([self._checked(Prompt(request, "messages"))], message, PlainText)

    def _job(
        self, prompts: list[Prompt], message: GenerateInput, text: Callable[[], AnswerText], tells_answers: bool = True
    ) -> GenerateJob:
        return GenerateJob(
            prompts, stream=message.stream, text=text, interval=self.stream_interval, tells_answers=tells_answers
        )

    def _prompts(self, message: GenerateInput) -> list[Prompt]:
        made: list[Prompt] = []
        form = self.forms.of(message)
        for place, text in enumerate(message.prompts):
            index = message.first_index + place
            made.append(self._of_text(message, text, index, form))
        for place, sequence in enumerate(message.prompt_token_ids):
            index = message.first_index + place
            made.append(self._of_ids(message, tuple(sequence.ids), index, form))
        return made

    def _of_text(self, message: GenerateInput, text: str, index: int, form: TextForm) -> Prompt:
        path = f"prompts[{index}]"
        echo = text if message.echo else ""
        if self.tokens is None:
            if message.HasField("truncate_prompt_tokens"):
                raise _not_without_tokenizer("truncate_prompt_tokens")
            if not message.add_special_tokens:
                raise _not_without_tokenizer("add_special_tokens")
            if message.suffix:
                raise no_fill_in()
            request = request_of(message, self.defaults, prompt=text)
        else:
            ids = self.tokens.of_text(text, path, message, form)
            if echo and message.HasField("truncate_prompt_tokens") and len(ids) >= message.truncate_prompt_tokens:
                echo = self.tokens.text_of(ids)  # what is left of it; of a shorter one, all as it was written
            request = request_of(message, self.defaults, form, prompt_token_ids=ids)
        return self._checked(self._prompt(request, path, index, echo))

    def _of_ids(self, message: GenerateInput, ids: tuple[int, ...], index: int, form: TextForm) -> Prompt:
        path = f"prompt_token_ids[{index}]"
        echo = ""
        if self.tokens is not None:
            ids = self.tokens.of_ids(ids, path, message)
            echo = self.tokens.text_of(ids) if message.echo else ""
        elif message.echo:
            raise InvalidInputError.at("echo", "{field} needs a prompt that is a text: the model has no tokenizer")
        request = request_of(message, self.defaults, form, prompt_token_ids=ids)
        return self._checked(self._prompt(request, path, index, echo))

    def _prompt(self, request: GenerationRequest, path: str, index: int, echo: str) -> Prompt:
        first = b""
        if self.tokens is not None and request.prompt_logprobs is not None and request.prompt_token_ids:
            first = self.tokens.bytes_of(request.prompt_token_ids[0])
        return Prompt(request, path, index, first, echo)

    def _checked(self, prompt: Prompt) -> Prompt:
        if self.adapter:
            prompt = replace(prompt, request=replace(prompt.request, adapter=self.adapter))
        try:
            self.check(prompt.request)
        except InvalidInputError as error:
            raise located(error, prompt) from None
        return prompt


def _not_without_tokenizer(field: str) -> InvalidInputError:
    return InvalidInputError.at(
        field,
        "{field} cannot be honoured: the model's engine makes tokens of prompts itself",
        reason="unsupported_field",
    )
