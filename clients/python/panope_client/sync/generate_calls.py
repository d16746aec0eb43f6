# Generated from panope_client/aio/generate_calls.py by clients/python/generate.py; do not edit.
"""Calls that generate: prompts that are continued, conversations that are answered."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Unpack

from panope.v1 import generate_service_pb2 as pb
from panope_client.errors import InvalidResponseError
from panope_client.messages.generate import (
    GenerateOptions,
    Messages,
    Prompts,
    Tools,
    chat_request,
    generate_request,
)
from panope_client.sync.concurrency import RpcError, Stream, failure_of
from panope_client.sync.connection import Connection


class GenerateCalls(Connection):
    """The calls of `Client` that generate."""

    def generate(
        self,
        prompts: Prompts,
        model: str,
        *,
        echo: bool = False,
        add_special_tokens: bool | None = None,
        text_to_text: pb.TextToText | None = None,
        suffix: str = "",
        timeout: float | None = None,
        **options: Unpack[GenerateOptions],
    ) -> pb.GenerateResponse:
        """Continues prompts; the answers are in the order of the prompts, `n` to each.

        Args:
            prompts: a text, texts, or the token ids of texts.
            model: `vendor/name`.
            echo: whether each answer starts with its prompt.
            add_special_tokens: whether the model's own are put around a text; default yes.
            text_to_text: what a model with an encoder makes of texts; see `panope.v1.TextToText`.
            suffix: what comes behind the answer; a model of code fills in what is between it and a prompt.
            timeout: see the class.
            options: see `GenerateOptions`.
        """
        request = generate_request(
            prompts,
            model,
            options,
            echo=echo,
            add_special_tokens=add_special_tokens,
            text_to_text=text_to_text,
            suffix=suffix,
        )
        return self._call(self._generate.Generate, request, timeout)

    def stream_generate(
        self,
        prompts: Prompts,
        model: str,
        *,
        echo: bool = False,
        add_special_tokens: bool | None = None,
        text_to_text: pb.TextToText | None = None,
        suffix: str = "",
        timeout: float = math.inf,
        **options: Unpack[GenerateOptions],
    ) -> Stream[pb.StreamGenerateResponse]:
        """As `generate`, with each piece of an answer when it exists; the last one has `usage`. Nothing is retried.

        Args:
            prompts: a text, texts, or the token ids of texts.
            model: `vendor/name`.
            echo: whether each answer starts with its prompt.
            add_special_tokens: whether the model's own are put around a text; default yes.
            text_to_text: what a model with an encoder makes of texts; see `panope.v1.TextToText`.
            suffix: what comes behind the answer; a model of code fills in what is between it and a prompt.
            timeout: seconds for the whole stream.
            options: see `GenerateOptions`.
        """
        request = generate_request(
            prompts,
            model,
            options,
            echo=echo,
            add_special_tokens=add_special_tokens,
            text_to_text=text_to_text,
            suffix=suffix,
        )
        return self._pieces(self._generate.StreamGenerate, pb.StreamGenerateRequest(request=request), timeout)

    def chat(
        self,
        messages: Messages,
        model: str,
        *,
        tools: Tools = (),
        tool_choice: str | None = None,
        parallel_tool_calls: bool | None = None,
        template_kwargs: Mapping[str, Any] | None = None,
        continue_final_message: bool = False,
        timeout: float | None = None,
        **options: Unpack[GenerateOptions],
    ) -> pb.ChatResponse:
        """Answers a conversation.

        Args:
            messages: such as `{"role": "user", "content": "hello"}`.
            model: `vendor/name`.
            tools: that the model may call, as OpenAI writes them.
            tool_choice: `auto`, `none`, `required`, or a tool's name; default `auto` where there are tools.
            parallel_tool_calls: whether several tools may be called in one answer; default yes.
            template_kwargs: values for the model's chat template.
            continue_final_message: whether the last message, the assistant's, is continued.
            timeout: see the class.
            options: see `GenerateOptions`.
        """
        request = chat_request(
            messages,
            model,
            options,
            tools=tools,
            tool_choice=tool_choice,
            parallel_tool_calls=parallel_tool_calls,
            template_kwargs=template_kwargs,
            continue_final_message=continue_final_message,
        )
        return self._call(self._generate.Chat, request, timeout)

    def stream_chat(
        self,
        messages: Messages,
        model: str,
        *,
        tools: Tools = (),
        tool_choice: str | None = None,
        parallel_tool_calls: bool | None = None,
        template_kwargs: Mapping[str, Any] | None = None,
        continue_final_message: bool = False,
        timeout: float = math.inf,
        **options: Unpack[GenerateOptions],
    ) -> Stream[pb.StreamChatResponse]:
        """As `chat`, with each piece of an answer when it exists; the last one has `usage`. Nothing is retried.

        Args:
            messages: such as `{"role": "user", "content": "hello"}`.
            model: `vendor/name`.
            tools: that the model may call, as OpenAI writes them.
            tool_choice: `auto`, `none`, `required`, or a tool's name; default `auto` where there are tools.
            parallel_tool_calls: whether several tools may be called in one answer; default yes.
            template_kwargs: values for the model's chat template.
            continue_final_message: whether the last message, the assistant's, is continued.
            timeout: seconds for the whole stream.
            options: see `GenerateOptions`.
        """
        request = chat_request(
            messages,
            model,
            options,
            tools=tools,
            tool_choice=tool_choice,
            parallel_tool_calls=parallel_tool_calls,
            template_kwargs=template_kwargs,
            continue_final_message=continue_final_message,
        )
        return self._pieces(self._generate.StreamChat, pb.StreamChatRequest(request=request), timeout)

    def _pieces(self, method: Any, message: Any, timeout: float) -> Stream[Any]:
        """The pieces of answers, to an end that is one."""
        attempts = self._retries.start(timeout)
        call = method(message, timeout=attempts.timeout(), metadata=self._metadata)
        is_whole = False
        try:
            for response in call:
                is_whole = response.HasField("usage")
                yield response
        except RpcError as error:
            raise failure_of(error) from error
        finally:
            call.cancel()
        if not is_whole:
            raise InvalidResponseError("the stream ended before its answers did")
