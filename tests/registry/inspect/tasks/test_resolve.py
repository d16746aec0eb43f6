"""What follows when the user, the files and the source speak."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panope_backends.errors import InvalidInputError
from panope_registry.inspect.tasks import TASKS, Conclusion, ambiguous_task, resolve_task
from panope_registry.inspect.tasks.task_maps import PIPELINE_TAGS, VAGUE_TAGS

TASK = st.sampled_from(TASKS)
CONCLUSIONS = st.builds(Conclusion, TASK, st.just("the files say so")) | st.builds(
    Conclusion, st.just(""), st.just("nothing said"), st.lists(TASK, unique=True).map(tuple), st.booleans()
)
TAGS = st.sampled_from(["", "novel", *PIPELINE_TAGS, *VAGUE_TAGS])


@given(CONCLUSIONS, st.lists(TASK | st.sampled_from(list(PIPELINE_TAGS)), min_size=1), TAGS)
def test_whatever_the_evidence_a_hint_decides(found: Conclusion, hints: list[str], tag: str) -> None:
    settled = resolve_task(found, hints, tag)
    assert settled.task in {PIPELINE_TAGS.get(hint, hint) for hint in hints}
    assert settled.candidates == ()


@given(CONCLUSIONS, TAGS, st.lists(st.sampled_from(["image", "de", "audio"])))
def test_a_task_is_decided_or_open_and_what_is_open_can_be_said(found: Conclusion, tag: str, tags: list[str]) -> None:
    settled = resolve_task(found, (), tag, tags)
    assert not (settled.task and settled.candidates)
    assert settled.reason
    assert len(set(settled.candidates)) == len(settled.candidates)
    for candidate in settled.candidates:
        assert resolve_task(found, [candidate], tag, tags).task == candidate


@given(CONCLUSIONS, TAGS)
def test_what_files_and_tag_both_say_is_decided(found: Conclusion, tag: str) -> None:
    tagged = PIPELINE_TAGS.get(tag, "")
    if found.value and tagged in ("", found.value):
        assert resolve_task(found, (), tag).task == found.value


def test_a_tag_against_the_class_leaves_it_open() -> None:
    settled = resolve_task(Conclusion("generate", "the class"), (), "text-ranking")
    assert (settled.task, settled.candidates) == ("", ("generate", "rerank"))


def test_a_score_is_no_contradiction_to_a_classification() -> None:
    assert resolve_task(Conclusion("rerank", "one label"), (), "text-classification").task == "rerank"


def test_a_headless_class_cannot_do_what_its_tag_says() -> None:
    settled = resolve_task(Conclusion("", "no head", ("embed",)), (), "text-generation")
    assert (settled.task, settled.candidates) == ("", ("generate", "embed"))
    assert resolve_task(Conclusion("", "no head", ("embed",)), (), "feature-extraction").task == "embed"


def test_a_model_of_masked_words_embeds_where_its_tag_says_so() -> None:
    found = Conclusion("fill-mask", "the class", unless_tagged=("embed",))
    assert [resolve_task(found, (), tag).task for tag in ("", "fill-mask", "feature-extraction")] == [
        *("fill-mask", "fill-mask", "embed")
    ]
    assert resolve_task(found, (), "text-ranking").candidates == ("fill-mask", "rerank")


def test_a_tag_is_worth_more_than_a_guess() -> None:
    assert (
        resolve_task(Conclusion("", "a new class", ("transcribe",), is_guess=True), (), "text-to-speech").task
        == "speak"
    )


def test_a_tag_that_names_the_input_alone_leaves_the_choice() -> None:
    settled = resolve_task(Conclusion("", "nothing"), (), "", ("en", "Vision"))
    assert settled.task == ""
    assert {"classify", "detect"} <= set(settled.candidates)
    assert "Vision" in settled.reason


def test_a_hint_that_is_no_task_is_refused_with_those_that_are() -> None:
    with pytest.raises(InvalidInputError, match="`juggle` is no task; there are embed, rerank") as caught:
        resolve_task(Conclusion("", ""), ["juggle"], "")
    assert caught.value.field == "task_hints"


def test_the_error_tells_the_candidates_and_how_to_decide() -> None:
    error = ambiguous_task("acme/x", ("embed", "rerank"))
    assert (error.reason, error.details) == ("ambiguous_task", {"candidates": "embed,rerank"})
    assert "embed or rerank" in error.message
    assert "panope register acme/x --task embed" in error.message
