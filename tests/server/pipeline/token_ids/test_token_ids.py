"""Whose token ids callers send, and OpenAI's turned back into texts."""

from __future__ import annotations

import pytest

from panope_backends.errors import InvalidInputError
from panope_server.config import Limits, OpenAiSettings, SettingsError, load_settings
from panope_server.pipeline.step import Pipeline
from panope_server.pipeline.token_ids.cl100k import texts_of
from panope_server.pipeline.token_ids.step import TokenIds
from panope_server.pipeline.validate import Validate
from panope_server.tasks.embed import EmbedInput

HELLO = [15339, 1917]


@pytest.mark.parametrize(
    ("own", "cl100k", "asked", "whose"),
    [
        ((), (), "acme/tiny", ""),
        (("acme/tiny",), (), "acme/tiny", "own"),
        (("acme/tiny",), (), "prod", "own"),
        (("acme/tin",), (), "acme/tiny", ""),
        (("other/*",), (), "acme/tiny", ""),
        ((), ("acme/*",), "prod", "cl100k"),
        ((), ("*",), "prod", "cl100k"),
        (("acme/tiny",), ("prod",), "prod", "cl100k"),
        (("acme/tiny",), ("prod",), "acme/tiny", "own"),
        (("acme/tiny",), ("*",), "acme/tiny", "own"),
        (("*",), ("acme/*",), "acme/tiny", "cl100k"),
    ],
)
def test_the_name_that_was_written_counts_first_then_the_model_then_its_vendor_then_all(own, cl100k, asked, whose):
    assert OpenAiSettings(own, cl100k).ids_of(asked, "acme/tiny") == whose


def test_one_name_cannot_have_ids_of_both(tmp_path):
    told = "settings contradict each other: `native_token_ids` and `cl100k_token_ids` both name `acme/tiny`$"
    with pytest.raises(SettingsError, match=told):
        load_settings(
            environment={"PANOPE_OPENAI_NATIVE_TOKEN_IDS": "acme/tiny", "PANOPE_OPENAI_CL100K_TOKEN_IDS": "acme/tiny"}
        )


@pytest.mark.parametrize("name", ["acme/ti*", "*/tiny", "", "acme/"])
def test_a_pattern_that_could_mean_nothing_is_refused(name):
    with pytest.raises(SettingsError):
        load_settings(environment={}, flags={"openai.native_token_ids": (name,)})


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        (HELLO, "hello world"),
        ([71, 19010, 385, 289, 9603, 509], "héllo wörld"),
        ([100257], "<|endoftext|>"),
        ([109, 47653], "\ufffd京"),  # cut inside a character
        ([109], "\ufffd"),
    ],
)
def test_ids_become_the_text_that_tiktoken_decodes(ids, text):
    assert texts_of([ids], 100) == [text]


@pytest.mark.parametrize("token", [100256, 100261, 100275, 100277, 1 << 31])
def test_an_id_that_the_vocabulary_has_not_is_refused(token):
    with pytest.raises(InvalidInputError) as raised:
        texts_of([HELLO, [*HELLO, token]], 100)
    assert raised.value.field == "token_sequences[1]"


async def test_texts_behind_ids_have_the_limits_of_texts(call):
    settings, limits = OpenAiSettings(cl100k_token_ids=("*",)), Limits(max_text_bytes=10)
    step = TokenIds(settings, limits, Validate(limits).check)
    asked = call(EmbedInput(token_sequences=[HELLO], own_ids=False))
    with pytest.raises(InvalidInputError, match=r"`token_sequences\[0\]` is a text of more than 10 bytes"):
        await step(asked, None)


async def test_ids_that_are_the_models_own_by_the_service_are_never_asked_about(call, answer):
    async def last(call):
        await call.output.put(answer)

    limits = Limits()
    step = TokenIds(OpenAiSettings(cl100k_token_ids=("*",)), limits, Validate(limits).check)
    asked = call(EmbedInput(token_sequences=[HELLO]))
    assert await Pipeline([step], last).run(asked) is answer
    assert asked.input.token_sequences == [HELLO]
