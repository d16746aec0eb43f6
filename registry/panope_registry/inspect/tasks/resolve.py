"""What follows when the user, the files and the source speak (docs/decisions/0210)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.plugins import installed_task_names
from panope_registry.inspect.tasks.evidence import Conclusion
from panope_registry.inspect.tasks.task_maps import (
    MODALITIES,
    MODALITY_TAGS,
    PIPELINE_TAGS,
    TASKS,
    VAGUE_TAGS,
    task_word,
)
from panope_registry.names import shown

MAX_HINTS = 16


@dataclass(frozen=True)
class ResolvedTask:
    """The task, or what it may be.

    Attributes:
        task: empty when it is open.
        reason: for people.
        candidates: the tasks among which somebody must decide; empty when one is decided, or nothing is known.
        spoken_for: every task that somebody or something speaks for.
    """

    task: str
    reason: str
    candidates: tuple[str, ...] = ()
    spoken_for: tuple[str, ...] = ()


def resolve_task(found: Conclusion, hints: Sequence[str], pipeline_tag: str, tags: Sequence[str] = ()) -> ResolvedTask:
    """Returns the task.

    Args:
        found: what the files say.
        hints: what the user says, the likeliest first; our words or the hub's.
        pipeline_tag: what the source says, in the hub's words; empty when it says nothing.
        tags: more words of the source.

    Raises:
        InvalidInputError: a hint is no task.
    """
    hinted = tuple(dict.fromkeys(_task(hint) for hint in hints))
    tagged = PIPELINE_TAGS.get(pipeline_tag, "")
    spoken_for = tuple(dict.fromkeys(task for task in (*hinted, found.value, tagged) if task))
    if hinted:
        # A hint that the files bear out is worth more than one before it that they do not.
        task = found.value if found.value in hinted else hinted[0]
        return ResolvedTask(task, f"the user says so; {found.reason}", (), spoken_for)
    tag_reason = f"the hub's tag says `{shown(pipeline_tag)}`"
    if found.value:
        if tagged in ("", found.value) or (found.value, tagged) == ("rerank", "classify"):
            return ResolvedTask(found.value, found.reason, (), spoken_for)
        if tagged in found.unless_tagged:
            return ResolvedTask(tagged, f"{tag_reason}; {found.reason}", (), spoken_for)
        return ResolvedTask("", f"{found.reason}; but {tag_reason}", (found.value, tagged), spoken_for)
    if tagged:
        if tagged in found.candidates or found.is_guess or not found.candidates:
            return ResolvedTask(tagged, f"{tag_reason}; {found.reason}", (), spoken_for)
        return ResolvedTask(
            "", f"{found.reason}; but {tag_reason}", tuple(dict.fromkeys((tagged, *found.candidates))), spoken_for
        )
    return _open(found, tag_reason, pipeline_tag, tags, spoken_for)


def check_hints(hints: Sequence[str]) -> None:
    """Refuses hints that are no tasks, and more of them than there are words for tasks.

    Raises:
        InvalidInputError: it names the hint.
    """
    if len(hints) > MAX_HINTS:
        raise InvalidInputError(f"`task_hints` has {len(hints):,} words; the limit is {MAX_HINTS}", field="task_hints")
    for hint in hints:
        _task(hint)


def _task(hint: str) -> str:
    if task := task_word(hint):
        return task
    installed = installed_task_names()
    if hint in installed:
        return hint
    known = ", ".join([*TASKS, *installed])
    raise InvalidInputError(f"`{shown(hint)}` is no task; there are {known}", field="task_hints")


def _open(
    found: Conclusion, tag_reason: str, pipeline_tag: str, tags: Sequence[str], spoken_for: tuple[str, ...]
) -> ResolvedTask:
    """Returns what may be, when nothing says what is: by the files, else by the tags."""
    if found.candidates:
        return ResolvedTask("", found.reason, found.candidates, spoken_for)
    if pipeline_tag in VAGUE_TAGS:
        return ResolvedTask("", f"{found.reason}; {tag_reason}", VAGUE_TAGS[pipeline_tag], spoken_for)
    for tag in tags:
        if modality := MODALITY_TAGS.get(tag.casefold()):
            reason = f"{found.reason}; a tag of the hub says `{shown(tag)}` and nothing more"
            return ResolvedTask("", reason, MODALITIES[modality], spoken_for)
    return ResolvedTask("", found.reason, (), spoken_for)


def ambiguous_task(model: str, candidates: Sequence[str]) -> PreconditionError:
    """Returns the error for whoever needs to know what a model is for, while nobody has decided."""
    return PreconditionError(
        f"what model `{model}` is for is not decided: it may be for {' or '.join(candidates)}. Say which: `panope "
        f"register {model} --task {candidates[0]}`, or with `panope import` and the same option where it came from a "
        "folder",
        reason="ambiguous_task",
        field="model",
        details={"candidates": ",".join(candidates)},
    )
