"""What a task is to the server: everything that the pipeline and the runtime ask of one, and its defaults.

A task is one module beside this one: the types of its input and output, and a `Task` that knows them. Nothing else in
the server knows what an input holds: the pipeline asks its task, and the runtime moves the bytes of a `Request`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.api import TensorSpec
from panope_backends.errors import InternalError
from panope_server.config import Limits, Settings
from panope_server.observability.metrics import Metrics
from panope_server.tasks.links import Link

#: A token of English text has about so many.
BYTES_OF_UNIT = 4


class Input:
    """What a caller asks of a task; a dataclass with slots."""

    __slots__ = ()


class Output:
    """A part of an answer, of which most tasks give one; a dataclass with slots."""

    __slots__ = ()


I = TypeVar("I", bound=Input)  # noqa: E741 - the input
O = TypeVar("O", bound=Output)  # noqa: E741 - the output


Unit = Literal["tokens", "bytes", "items"]


@dataclass(slots=True)
class Usage:
    """What a call brought and took, in the units of its task: tokens where there are tokens, else bytes.

    Attributes:
        cached_units: of the input's, those that were found computed already.
    """

    input_units: int = 0
    output_units: int = 0
    cached_units: int = 0

    def add(self, other: Usage) -> None:
        """Adds what else was brought and taken."""
        self.input_units += other.input_units
        self.output_units += other.output_units
        self.cached_units += other.cached_units


@dataclass(slots=True)
class Request:
    """An input, or a part of a large one, on its way to a worker.

    Attributes:
        task: the name of the task, by which the worker finds its own module of it.
        data: the task's message to the worker.
        items: what it costs in items, such as texts; at least 1.
        size_bytes: what it costs in bytes, by estimate.
        slots: of the model, that it holds while it runs; 0 for requests that hold none.
        work: what it costs in units of work, about one a token, by estimate; at least 1.
    """

    task: str
    data: bytes
    items: int
    size_bytes: int
    slots: int = 0
    work: int = 1


@dataclass(frozen=True, slots=True)
class Canonical:
    """An input as its answer depends on it: two inputs that are equal here have the same answer.

    What cannot change the answer is left out, such as whether it is streamed. Both parts are of types that msgspec
    encodes, always to the same bytes.

    Attributes:
        options: what the answer to every item depends on.
        items: what is answered item by item; the whole input is one item of a task that does not.
        size_bytes: of all, by estimate.
    """

    options: object
    items: Sequence[object]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class MeasuredModel:
    """A loaded model that is measured.

    Attributes:
        architecture: its class in its library; empty when unknown.
        facts: what `facts_of` has read of its worker.
        inputs: the tensors that it takes, where its worker tells them.
    """

    architecture: str = ""
    facts: object = None
    inputs: Sequence[TensorSpec] = ()


class Workload(Protocol):
    """What models of a task are measured with: the same for each, so that measurements can be compared."""

    @property
    def name(self) -> str:
        """As measurements are kept under it."""

    @property
    def items(self) -> int:
        """The items of one call."""

    def suits(self, model: MeasuredModel) -> bool:
        """Whether a model of the task takes such inputs. Default: every one does."""
        del model
        return True

    def input(self, number: int, model: MeasuredModel | None = None) -> Input:
        """One call; no two are alike.

        Args:
            number: always makes the same input.
            model: that it is for, where that matters.
        """
        raise NotImplementedError


class JsonForm(ABC, Generic[I, O]):
    """A task's input and output as plain JSON values, for gRPC's `Infer` and for POST /v1/infer.

    Attributes:
        schema: a type that msgspec converts a value to. Whole numbers come as integers, whatever protocol they come by.
    """

    schema: ClassVar[Any]

    @abstractmethod
    def input_of(self, value: Any) -> I:
        """The input that a value of the schema's type holds.

        Raises:
            InvalidInputError: the value holds what the schema cannot rule out; its field starts with `value`.
        """

    @abstractmethod
    def value_of(self, output: O) -> Any:
        """The value of an output, of JSON's own types; arrays of NumPy stand for lists of numbers."""

    def fields_of(self, value: object) -> Mapping[str, str]:
        """What the fields of the input are called in a value, where they are called something else."""
        del value
        return {}


class Task(ABC, Generic[I, O]):
    """One task. Its methods are called from the event loop and must be quick.

    Attributes:
        name: unique; the worker's module of the task has the same.
        input_type: the class of its inputs, by which a call's task is found.
        output_type: the class of its outputs, as which kept answers are read; None where no answer is kept.
        answers_each: whether the items of an input are answered one by one, so that each answer is kept by itself.
        is_pure: whether models of the task are known to answer an input that has a canonical form always alike;
            otherwise answers are kept of models that the settings name.
        json: its form as a JSON value; None for tasks that have none.
        workloads: what models of the task of this name are measured with; the first that suits decides between
            candidates.
        least_agreement: of what a candidate answers with the reference, 0 to 1; one that agrees less is wrong.
        models_of: the task of the models that answer it, where that is another; its workloads measure them too.
        input_unit: what the units of its inputs are; those that are tokens are told as tokens by `panope usage`.
        output_unit: the same of its outputs.
        also_by: tasks of models that may answer its inputs too, beside those of its own; a worker that cannot says so.
    """

    name: ClassVar[str]
    input_type: ClassVar[type[Input]]
    output_type: ClassVar[type[Output] | None] = None
    answers_each: ClassVar[bool] = False
    is_pure: ClassVar[bool] = True
    json: ClassVar[JsonForm[Any, Any] | None] = None
    workloads: ClassVar[Sequence[Workload]] = ()
    least_agreement: ClassVar[float] = 0.95
    models_of: ClassVar[str] = ""
    input_unit: ClassVar[Unit] = "items"
    output_unit: ClassVar[Unit] = "items"
    also_by: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def encode(self, task_input: I) -> bytes:
        """The message to the worker.

        Raises:
            ValueError, TypeError: a value that no field of the message holds.
        """

    @abstractmethod
    def decode(self, data: bytes) -> O:
        """The part of an answer that the worker's message holds."""

    def cost(self, task_input: I, data: bytes) -> tuple[int, int]:
        """Items and bytes that a queue counts for an input with its message. Default: one item, the message's bytes."""
        del task_input
        return 1, len(data)

    def slots(self, task_input: I) -> int:
        """The slots of the model that an input holds while it runs, as sequences do that are generated. Default: 0."""
        del task_input
        return 0

    def work(self, task_input: I, items: int, size_bytes: int) -> int:
        """Units of work, by which callers share a model: about a token each. Default: one for each item and four bytes.

        Args:
            task_input: a part of a call's, as `split` gives them.
            items: as `cost` says.
            size_bytes: as above.
        """
        del task_input
        return items + size_bytes // BYTES_OF_UNIT

    def tokens(self, task_input: I) -> int:
        """The tokens that a whole input will use, by estimate: they are held back of its caller's limits while it runs.

        Default: its work, as far as that tells before there is a message to the worker.
        """
        items, size_bytes = self.cost(task_input, b"")
        return self.work(task_input, items, size_bytes)

    def priority(self, task_input: I) -> int:
        """What an input says itself of how urgent it is, -100 to 100: above 0 high, below 0 low. Default: 0."""
        del task_input
        return 0

    def timeout_setting(self) -> str:
        """The setting in `limits` that ends a call without a deadline. Default: `default_timeout_seconds`.

        It has the seconds that may pass without a part of the answer.
        """
        return "default_timeout_seconds"

    def split(self, task_input: I, max_items: int) -> Sequence[I]:
        """The parts that a large input runs in, each of at most so many items, in order; always the same of one input.

        Each is answered by itself, and `join` makes the call's answer of all. Default: the input, whole.
        """
        del max_items
        return [task_input]

    def canonical(self, task_input: I, facts: object) -> Canonical | None:
        """The input as its answer depends on it. Default: None, the answer is not kept.

        Args:
            task_input: validated.
            facts: as of `check`.

        Returns:
            None where another answer would be as right, as where it is drawn by chance.
        """
        del task_input, facts
        return None

    def pick(self, task_input: I, positions: Sequence[int]) -> I:
        """The input with those items of its canonical form alone. Default: the input, which is one item."""
        del positions
        return task_input

    def path_at(self, path: str, positions: Sequence[int]) -> str:
        """What a field of an input that `pick` gave is called in the input that it was picked from. Default: alike."""
        del positions
        return path

    def answers(self, part: O, first: int) -> Sequence[O]:
        """The answer to each item of a part, as if it were the only one asked for. Default: the part.

        Args:
            part: of an answer.
            first: the position of its first item.
        """
        del first
        return [part]

    def answer_at(self, answer: O, position: int) -> O:
        """What `answers` gave, as the answer to the item at a position of a call. Default: as it is."""
        del position
        return answer

    def validate(self, task_input: I, limits: Limits) -> None:
        """Refuses what no model could run, with InvalidInputError. Default: refuses nothing."""

    def links(self, task_input: I) -> Sequence[Link]:
        """The files that an input names by URL, until each was put in its place. Default: none."""
        del task_input
        return ()

    def check(self, task_input: I, facts: object) -> None:
        """Refuses early what the loaded model's worker would refuse, with InvalidInputError. Default: nothing.

        Args:
            task_input: of the call.
            facts: what `facts_of` has read of the model's worker, whatever task that is of; None for nothing.
        """

    def extra_bytes(self, config: Mapping[str, Any], settings: Settings, free_bytes: int | None) -> int:
        """The memory that one instance takes beside its model, such as a cache. Default: 0.

        Args:
            config: the model's config.json.
            settings: of the server.
            free_bytes: that the device has left beside the model; None when nobody knows.
        """
        del config, settings, free_bytes
        return 0

    def settings_of(self, settings: Settings, extra_bytes: int) -> bytes:
        """The task's message to the worker with the settings by which it loads models. Default: none.

        Args:
            settings: of the server.
            extra_bytes: of memory that the instance has beside its model, as `extra_bytes` says.
        """
        del settings, extra_bytes
        return b""

    def facts_of(self, ready: wire.Ready) -> object:
        """What a worker tells of a loaded model of the task of this name. Default: None, nothing."""
        del ready
        return None

    def agreement(self, expected: O, found: O) -> float | None:
        """How much two answers to one input are alike, 0 to 1. Default: None, nobody can say.

        Args:
            expected: the reference's, whole.
            found: another candidate's.
        """
        del expected, found
        return None

    def input_units(self, task_input: I) -> int:
        """The units of the input that are known without an answer. Default: 0."""
        del task_input
        return 0

    def usage(self, output: O) -> Usage:
        """The units that a part of an answer adds; those of all parts are summed. Default: one of output."""
        del output
        return Usage(0, 1)

    def text_of(self, task_input: I) -> str:
        """The texts of an input, for the log of calls where it keeps them. Default: none."""
        del task_input
        return ""

    def usage_so_far(self, output: O, usage: Usage) -> Usage:
        """The units that a part adds to an answer that ends before its last part. Default: `usage`.

        For tasks whose last part tells the units of the whole answer.

        Args:
            output: the part.
            usage: what the method of that name says of it.
        """
        del output
        return usage

    def observe(self, output: O, usage: Usage, metrics: Metrics, model: str) -> None:
        """Counts a part of an answer, and its usage, in metrics that only this task has. Default: nothing."""

    def join(self, parts: Sequence[O]) -> O:
        """One answer of all parts, for callers that want no stream. Default: the only part there is."""
        if len(parts) != 1:
            raise InternalError(f"the model gave {len(parts):,} parts of an answer that has one")
        return parts[0]
