"""The tokens of conversations, as a model sees them."""

from __future__ import annotations

from panope.worker.v1 import tokenize_pb2 as messages
from panope.worker.v1.generate_pb2 import Conversation
from panope_backends.errors import InvalidInputError
from panope_backends.tasks.generate.chat.chat_template import ChatTemplate
from panope_backends.tasks.task import Answered, Job, Prepare
from panope_backends.tasks.tokenize.requests import Tokenizer


def chat_tokenizer(tokenizer: Tokenizer, chat: ChatTemplate, of_texts: Prepare) -> Prepare:
    """The request `tokenize` of a model that chats.

    Args:
        tokenizer: of the model.
        chat: writes conversations.
        of_texts: what answers requests without a conversation.
    """

    def tokenize(data: bytes) -> Job:
        message = messages.TokenizeInput.FromString(data)
        if not message.conversation:
            return of_texts(data)
        conversation = Conversation.FromString(message.conversation)
        if conversation.images:
            raise InvalidInputError.at("messages", "{field} have images, whose tokens are not told here")
        text = chat.prompt(conversation, None).text
        asked = messages.TokenizeInput(texts=[text], add_special_tokens=message.add_special_tokens)
        return Answered(tokenizer.tokenize(asked).SerializeToString())

    return tokenize
