from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from panope.worker.v1 import embed_pb2, tokenize_pb2
from panope_backends.errors import InternalError, InvalidInputError, PreconditionError
from panope_backends.tasks.embed.embed import EmbedSequenceTask
from panope_backends.testing.doubles import EchoModel

Answer = Callable[..., embed_pb2.EmbedOutput]

PROMPTS = {"config_sentence_transformers.json": {"prompts": {"query": "w1 w2 ", "document": ""}}}
NORMALIZED = (
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
)


@pytest.fixture
def task(sentence_model: Callable[..., Path], task_of: Callable[..., EmbedSequenceTask]) -> EmbedSequenceTask:
    """At most 48 tokens a text, 32 dimensions, not normalised, two prompts; answers from token ids alone."""
    return task_of(sentence_model(PROMPTS), "panope_backends.testing:EchoBackend")


def ids_of(task: EmbedSequenceTask, *texts: str, **fields: object) -> list[list[int]]:
    """The tokens that would run."""
    work = embed_pb2.EmbedInput(texts=texts, **{"truncation": "refuse", **fields})  # type: ignore[arg-type] # any field
    return [list(sequence.ids) for sequence in task.prepare(work.SerializeToString()).sequences]


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"texts": []}, "texts", "`texts` is empty; give at least one"),
        (
            {"texts": ["w1", "w1 " * 47]},
            "texts[1]",
            "`texts[1]` has 49 tokens; the model takes at most 48",
        ),
        (
            {"token_sequences": [tokenize_pb2.TokenSequence(ids=[4] * 49)]},
            "token_sequences[0]",
            "`token_sequences[0]` has 49 tokens; the model takes at most 48",
        ),
        ({"token_sequences": [tokenize_pb2.TokenSequence()]}, "token_sequences[0]", "`token_sequences[0]` is empty"),
        (
            {"token_sequences": [tokenize_pb2.TokenSequence(ids=[4]), tokenize_pb2.TokenSequence(ids=[4, 97])]},
            "token_sequences[1]",
            "`token_sequences[1]` has the id 97; the model's vocabulary ends at 96",
        ),
        (
            {"texts": ["w1"], "token_sequences": [tokenize_pb2.TokenSequence(ids=[4])]},
            "token_sequences",
            "`texts` and `token_sequences` exclude each other",
        ),
        ({"texts": ["w1"], "dimensions": 0}, "dimensions", "`dimensions` is 0; the model has 1 to 32"),
        ({"texts": ["w1"], "dimensions": 33}, "dimensions", "`dimensions` is 33; the model has 1 to 32"),
        (
            {"texts": ["w1"], "prompt_name": "passage"},
            "prompt_name",
            "the model has no prompt `passage`; it has `document`, `query`",
        ),
        (
            {"token_sequences": [tokenize_pb2.TokenSequence(ids=[4])], "prompt_name": "query"},
            "prompt_name",
            "`prompt_name` needs `texts`; token ids are run as they are given",
        ),
        (
            {"token_sequences": [tokenize_pb2.TokenSequence(ids=[4])], "purpose": "query"},
            "purpose",
            "`purpose` needs `texts`; token ids are run as they are given",
        ),
        ({"texts": ["w1"], "truncation": "middle"}, "truncation", "`truncation` must be one of refuse, end, start"),
    ],
)
def test_what_the_model_cannot_do_is_refused_by_name(
    task: EmbedSequenceTask, fields: dict[str, object], field: str, message: str
) -> None:
    work = embed_pb2.EmbedInput(**{"truncation": "refuse", **fields})  # type: ignore[arg-type] # any field
    with pytest.raises(InvalidInputError) as refusal:
        task.prepare(work.SerializeToString())
    assert (refusal.value.field, refusal.value.message) == (field, message)


def test_a_text_without_tokens_is_refused(
    sentence_model: Callable[..., Path], task_of: Callable[..., EmbedSequenceTask], answer: Answer
) -> None:
    folder = sentence_model()
    tokenizer = (folder / "tokenizer.json").read_text()
    start = tokenizer.index('"post_processor"')
    end = tokenizer.index('"decoder"')
    (folder / "tokenizer.json").write_text(f'{tokenizer[:start]}"post_processor": null, {tokenizer[end:]}')
    with pytest.raises(InvalidInputError, match=r"`texts\[1\]` has no tokens"):
        answer(task_of(folder, "panope_backends.testing:EchoBackend"), "w1", " ")


def test_cutting_at_the_end_keeps_the_special_tokens(task: EmbedSequenceTask, answer: Answer) -> None:
    text = " ".join(f"w{number}" for number in range(60))
    (cut,) = ids_of(task, text, truncation="end")
    assert cut == [1, *range(4, 50), 2]
    result = answer(task, "w1", text, truncation="end")
    assert list(result.truncated_indices) == [1]
    assert list(result.token_counts) == [3, 48]


def test_cutting_at_the_start_keeps_the_special_tokens(task: EmbedSequenceTask) -> None:
    text = " ".join(f"w{number}" for number in range(60))
    assert ids_of(task, text, truncation="start") == [[1, *range(18, 64), 2]]


def test_cutting_at_the_start_keeps_the_prompt(task: EmbedSequenceTask) -> None:
    text = " ".join(f"w{number}" for number in range(60))
    assert ids_of(task, text, truncation="start", prompt_name="query") == [[1, 5, 6, *range(20, 64), 2]]


def test_token_ids_are_cut_too_and_need_no_special_tokens(task: EmbedSequenceTask) -> None:
    sequences = [tokenize_pb2.TokenSequence(ids=range(4, 64)), tokenize_pb2.TokenSequence(ids=[1, *range(4, 64), 2])]
    work = embed_pb2.EmbedInput(token_sequences=sequences, truncation="end")
    bare, closed = task.prepare(work.SerializeToString()).sequences
    assert list(bare.ids) == list(range(4, 52))
    assert list(closed.ids) == [1, *range(4, 50), 2]


def test_a_text_at_the_limit_is_not_cut(task: EmbedSequenceTask, answer: Answer) -> None:
    result = answer(task, "w1 " * 46, truncation="end")
    assert list(result.truncated_indices) == []
    assert list(result.token_counts) == [48]


def test_token_ids_give_the_vectors_of_their_text(task: EmbedSequenceTask, answer: Answer) -> None:
    (ids,) = ids_of(task, "w1 w2 w3")
    by_ids = answer(task, token_sequences=[tokenize_pb2.TokenSequence(ids=ids)])
    assert by_ids == answer(task, "w1 w2 w3")


@pytest.mark.parametrize(
    ("prompts", "purpose", "ids"),
    [
        ({"query": "w1 ", "passage": "w2 "}, "query", [1, 5, 13, 2]),
        ({"query": "w1 ", "passage": "w2 "}, "document", [1, 6, 13, 2]),
        ({"passage": "w2 ", "document": "w3 "}, "document", [1, 7, 13, 2]),
        ({"corpus": "w2 "}, "document", [1, 6, 13, 2]),
        ({"retrieval": "w2 "}, "query", [1, 13, 2]),
        ({}, "document", [1, 13, 2]),
        ({"query": "w1 "}, "", [1, 13, 2]),
    ],
)
def test_a_purpose_brings_the_prompt_that_sentence_transformers_takes_for_it(
    sentence_model: Callable[..., Path],
    task_of: Callable[..., EmbedSequenceTask],
    prompts: dict[str, str],
    purpose: str,
    ids: list[int],
) -> None:
    folder = sentence_model({"config_sentence_transformers.json": {"prompts": prompts}})
    task = task_of(folder, "panope_backends.testing:EchoBackend")
    assert ids_of(task, "w9", purpose=purpose) == [ids]


def test_without_a_prompt_for_its_purpose_a_text_gets_the_default_one(
    sentence_model: Callable[..., Path], task_of: Callable[..., EmbedSequenceTask]
) -> None:
    prompts = {"prompts": {"query": "w1 ", "other": "w2 "}, "default_prompt_name": "other"}
    folder = sentence_model({"config_sentence_transformers.json": prompts})
    task = task_of(folder, "panope_backends.testing:EchoBackend")
    assert ids_of(task, "w9", purpose="document") == [[1, 6, 13, 2]]
    assert ids_of(task, "w9", purpose="query") == [[1, 5, 13, 2]]


def test_a_default_prompt_is_not_put_before_token_ids(
    sentence_model: Callable[..., Path], task_of: Callable[..., EmbedSequenceTask], answer: Answer
) -> None:
    prompts = {"prompts": {"query": "w1 "}, "default_prompt_name": "query"}
    folder = sentence_model({"config_sentence_transformers.json": prompts})
    task = task_of(folder, "panope_backends.testing:EchoBackend")
    assert list(answer(task, "w5").token_counts) == [4]
    assert list(answer(task, token_sequences=[tokenize_pb2.TokenSequence(ids=[1, 9, 2])]).token_counts) == [3]


@pytest.mark.parametrize(("asked", "length_is_one"), [(None, True), (True, True), (False, False)])
def test_a_request_can_turn_normalising_off(
    sentence_model: Callable[..., Path],
    task_of: Callable[..., EmbedSequenceTask],
    answer: Answer,
    vectors: Callable[..., np.ndarray],
    asked: bool | None,
    length_is_one: bool,
) -> None:
    task = task_of(sentence_model(modules=NORMALIZED), "panope_backends.testing:EchoBackend")
    fields = {} if asked is None else {"normalize": asked}
    length = np.linalg.norm(vectors(answer(task, "w1 w2", **fields)))
    assert bool(abs(length - 1) < 1e-6) is length_is_one


def test_a_request_can_turn_normalising_on(
    task: EmbedSequenceTask, answer: Answer, vectors: Callable[..., np.ndarray]
) -> None:
    assert np.linalg.norm(vectors(answer(task, "w1 w2", normalize=True))) == pytest.approx(1)
    assert np.linalg.norm(vectors(answer(task, "w1 w2"))) != pytest.approx(1)


def test_a_vector_does_not_depend_on_its_batch(
    sentence_model: Callable[..., Path],
    task_of: Callable[..., EmbedSequenceTask],
    answer: Answer,
    vectors: Callable[..., np.ndarray],
) -> None:
    task = task_of(sentence_model())
    alone = vectors(answer(task, "w1 w2"))[0]
    beside_longer = vectors(answer(task, "w1 w2", " ".join(["w3"] * 40)))[0]
    np.testing.assert_allclose(alone, beside_longer, atol=1e-6)


def test_facts_tell_what_the_files_say(task: EmbedSequenceTask) -> None:
    assert task.facts == embed_pb2.EmbedFacts(
        dimensions=32, max_tokens=48, prompt_names=["document", "query"], pooling="mean", normalize=False
    )


def test_a_model_without_any_limit_takes_as_much_as_a_batch(
    sentence_model: Callable[..., Path], task_of: Callable[..., EmbedSequenceTask]
) -> None:
    folder = sentence_model()
    for name, key in (("tokenizer_config.json", "model_max_length"), ("config.json", "max_position_embeddings")):
        path = folder / name
        # A type without positions, whose configuration has no number of them by default.
        path.write_text(
            path.read_text().replace(f'"{key}"', '"other"').replace('"model_type": "bert"', '"model_type": "bloom"')
        )
    assert task_of(folder, "panope_backends.testing:EchoBackend").facts.max_tokens == 40


def test_a_prompt_that_leaves_no_room_for_text_is_refused_when_the_model_loads(
    sentence_model: Callable[..., Path], task_of: Callable[..., EmbedSequenceTask]
) -> None:
    folder = sentence_model({"config_sentence_transformers.json": {"prompts": {"long": "w1 " * 48}}})
    with pytest.raises(PreconditionError, match="the prompt `long` has 49 tokens; the model takes 48 with the text"):
        task_of(folder, "panope_backends.testing:EchoBackend")


def test_more_default_dimensions_than_the_model_has_are_refused_when_it_loads(
    sentence_model: Callable[..., Path], task_of: Callable[..., EmbedSequenceTask]
) -> None:
    folder = sentence_model({"config_sentence_transformers.json": {"truncate_dim": 64}})
    with pytest.raises(PreconditionError, match="truncate_dim 64; the model has 32 dimensions"):
        task_of(folder, "panope_backends.testing:EchoBackend")


def test_vectors_of_other_tokens_than_the_texts_have_are_a_wrong_answer_that_says_so(
    sentence_model: Callable[..., Path], task_of: Callable[..., EmbedSequenceTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = EchoModel.run
    monkeypatch.setattr(EchoModel, "run", lambda *given: {name: array[:, :1] for name, array in whole(*given).items()})
    with pytest.raises(InternalError, match="gives vectors of 1 tokens for texts of") as refusal:
        task_of(sentence_model(PROMPTS), "panope_backends.testing:EchoBackend")
    assert refusal.value.reason == "wrong_answer"
