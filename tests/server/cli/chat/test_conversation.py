"""Conversations in the terminal, without a terminal and without a model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from panope_server.cli.chat.conversation import HELP, Conversation, Message
from panope_server.cli.chat.options import ChatOptions


class Model:
    """Answers with the words of the last message, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[Message], ChatOptions]] = []
        self.closed = 0
        self.fails_after = -1
        self.error: BaseException = KeyboardInterrupt()

    def __call__(self, messages: list[Message], options: ChatOptions) -> Iterator[str]:
        self.asked.append((list(messages), options))
        try:
            content = messages[-1]["content"]
            text = content if isinstance(content, str) else content[-1].get("text", "")
            for number, word in enumerate(text.split()):
                if number == self.fails_after:
                    raise self.error
                yield word
        finally:
            self.closed += 1


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def conversation(model: Model) -> Conversation:
    return Conversation(model)


def test_the_model_hears_all_that_was_said_before(conversation: Conversation, model: Model) -> None:
    shown: list[str] = []
    conversation.say("one two", shown.append)
    conversation.say("three", shown.append)
    assert shown == ["one", "two", "three"]
    said = [(message["role"], message["content"]) for message in model.asked[-1][0]]
    assert said == [("user", "one two"), ("assistant", "onetwo"), ("user", "three")]


def test_an_interrupted_answer_ends_the_generation_and_stays_as_far_as_it_came(
    conversation: Conversation, model: Model
) -> None:
    model.fails_after = 1
    conversation.say("one two", lambda _: None)
    assert model.closed == 1
    assert conversation.messages[-1] == {"role": "assistant", "content": "one"}


def test_what_got_no_answer_is_not_part_of_the_conversation(conversation: Conversation, model: Model) -> None:
    model.fails_after, model.error = 0, ValueError("no")
    with pytest.raises(ValueError, match="no"):
        conversation.say("one", lambda _: None)
    assert conversation.messages == []


def test_options_and_the_system_message_are_set_and_unset(conversation: Conversation, model: Model) -> None:
    assert conversation.command("/set temperature 0.5") == "temperature is 0.5"
    assert conversation.command("/set seed 7") == "seed is 7"
    conversation.command("/set system be short")
    assert conversation.command("/show") == "temperature 0.5\nseed 7\nsystem be short"
    conversation.command("/set temperature default")
    conversation.say("one", lambda _: None)
    messages, options = model.asked[0]
    assert messages[0] == {"role": "system", "content": "be short"}
    assert options.given() == {"seed": 7}
    conversation.command("/set system")
    conversation.command("/set seed default")
    assert conversation.command("/show") == "the model's own defaults"


@pytest.mark.parametrize("line", ["/set temperature hot", "/set colour red", "/set", "/nothing"])
def test_a_wrong_command_is_answered_with_what_there_is(conversation: Conversation, line: str) -> None:
    answer = conversation.command(line)
    assert answer
    assert "takes a number" in answer or "there is no" in answer
    assert conversation.options == ChatOptions()


def test_a_conversation_begins_anew_and_ends(conversation: Conversation) -> None:
    conversation.say("one", lambda _: None)
    assert conversation.command("/clear") == "begun anew"
    assert conversation.messages == []
    assert conversation.command("/?") == HELP
    assert conversation.command("/bye") is None


def test_images_go_with_what_is_said_next(conversation: Conversation, model: Model, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"file")
    assert "No such file" in str(conversation.command("/image /none.png"))
    assert conversation.command(f"/image {tmp_path / 'a.png'}") == "1 to go with what is said next"
    model.error, model.fails_after = RuntimeError(), 0
    with pytest.raises(RuntimeError):
        conversation.say("what is it", print)
    model.fails_after = -1
    conversation.say("what is it", print)  # asked again, with the image
    image = {"type": "image", "image": b"file"}
    assert model.asked[-1][0][-1]["content"] == [image, {"type": "text", "text": "what is it"}]
    conversation.say("and now", print)
    assert model.asked[-1][0][-1]["content"] == "and now"
    assert model.asked[-1][0][0]["content"][0] == image


def test_an_image_alone_is_asked_about_without_words(conversation: Conversation, model: Model) -> None:
    conversation.images.append(b"png")
    conversation.say("", lambda _: None)
    assert model.asked[0][0] == [{"role": "user", "content": [{"type": "image", "image": b"png"}]}]
