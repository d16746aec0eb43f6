"""What the steps of the pipeline carry: one request on its way, free of any protocol."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Protocol

from panope_registry.access.priority import Priority
from panope_server.runtime.models.directory import ResolvedModel
from panope_server.runtime.placement.placement import Placement
from panope_server.tasks.task import Input, Output, Usage

#: The metadata of a call, and header of REST, that says on which backends it may run, the most wanted first.
HARDWARE = "x-panope-hardware"


class Sink(Protocol):
    """Where the parts of an answer go; the answer's end is the pipeline's own end."""

    def put(self, part: Output) -> Awaitable[None]:
        """Takes the next part; what it returns waits while there is no room for it."""


class Collected:
    """A sink that keeps all parts, for callers that want no stream."""

    __slots__ = ("parts",)

    def __init__(self) -> None:
        self.parts: list[Output] = []

    async def put(self, part: Output) -> None:
        """Keeps the part."""
        self.parts.append(part)


@dataclass(frozen=True, slots=True)
class CacheControl:
    """What a caller says of kept answers, in HTTP's words.

    Attributes:
        may_answer: whether one may answer; otherwise the call is run (`no-cache`).
        may_keep: whether the answer may be kept (`no-store`, which neither may answer).
        max_age_seconds: of a kept answer; None for any.
    """

    may_answer: bool = True
    may_keep: bool = True
    max_age_seconds: float | None = None


#: As if there were no cache.
NO_STORE = CacheControl(may_answer=False, may_keep=False)


class AnswerUsage:
    """What the parts of an answer have used, up to now.

    Attributes:
        whole: of an answer that comes to its end.
        so_far: of one that breaks off before its last part, which may be the one that tells of the whole.
    """

    __slots__ = ("so_far", "whole")

    def __init__(self) -> None:
        self.whole = Usage()
        self.so_far = Usage()

    @property
    def most(self) -> Usage:
        """Of an answer of which nobody knows whether more comes."""
        whole, so_far = self.whole, self.so_far
        return Usage(
            max(whole.input_units, so_far.input_units),
            max(whole.output_units, so_far.output_units),
            max(whole.cached_units, so_far.cached_units),
        )


@dataclass(slots=True)
class Call:
    """One request on its way.

    Attributes:
        requested_model: the name as the caller wrote it; that of the default model of `task` once a call that names
            none was resolved.
        input: what to run.
        task: the task that the model must have; empty when any will do.
        interface: the method called, for metrics and logs, such as `EmbedService/Embed`.
        request_id: from Envoy or the caller, else made by transport; printable ASCII.
        deadline: when the caller stops waiting, on `time.monotonic`'s clock; None when the caller set none.
        started: when transport saw the call, on the same clock.
        resolved_model: the name under which runs what `requested_model` means: a model's, or that of one variant of
            it; empty until it was looked up.
        session: the caller's own word for what the call belongs to, for the log of calls; empty for none.
        caller: whose turns it waits for, beside the calls of others: a key's id, or the address of who has none.
        asked_priority: as the call's metadata asks; None where it does not.
        priority: -100 to 100, above 0 high and below 0 low; 0 until the step Prioritize.
        wait: whether the caller waits while the model is downloaded, instead of being told to come back.
        keep_alive: seconds for which its model stays loaded unused after it; infinity for ever, None for those of the
            model.
        resolved: what the name means in the registry; None until it was looked up, which happens once.
        placement: where it was run last.
        input_bytes: of the messages to its worker.
        output_bytes: of the messages that came back, up to now.
        usage: of the parts that have come; None until the step Accounting counts them.
        output: takes the parts of the answer; a step that wants to see or change them puts a sink of its own before it.
        cache_control: what the caller says of kept answers.
        is_shared: whether other calls may wait for this run of it too, and longer than its own caller.
        cache_status: whether a kept answer answered: `hit`, `miss` or `bypass`; empty while nobody has looked.
        user: whom the call is for, as its caller names them; empty for nobody known.
        route: why an alias with several targets gave the call to its model; empty for a model or alias of one.
        hardware: the backends that may run it, as its caller names them, the most wanted first; empty for any.
        hardware_field: where its caller names them, for refusals.
        headers: what is told beside the answer, by names in lower case; sent before its first part.
    """

    requested_model: str
    input: Input
    task: str
    interface: str
    request_id: str
    deadline: float | None = None
    started: float = field(default_factory=time.monotonic)
    resolved_model: str = ""
    caller: str = ""
    asked_priority: Priority | None = None
    priority: int = 0
    wait: bool = False
    session: str = ""
    keep_alive: float | None = None
    resolved: ResolvedModel | None = None
    placement: Placement = field(default_factory=Placement)
    input_bytes: int = 0
    output_bytes: int = 0
    usage: AnswerUsage | None = None
    output: Sink = field(default_factory=Collected)
    cache_control: CacheControl = CacheControl()
    is_shared: bool = False
    cache_status: str = ""
    user: str = ""
    route: str = ""
    hardware: tuple[str, ...] = ()
    hardware_field: str = HARDWARE
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """What answers and logs call the model: as it was resolved, until then as it was requested."""
        return self.resolved_model or self.requested_model

    @property
    def model_name(self) -> str:
        """`vendor/name` of a resolved call's model, of which `resolved_model` may name one variant."""
        return self.requested_model if self.resolved is None else self.resolved.name.model

    @property
    def model_task(self) -> str:
        """The model's task; empty until the model was looked up."""
        return "" if self.resolved is None else self.resolved.task
