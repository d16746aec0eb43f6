"""What a task is to the worker: how its models are loaded, which requests they answer, and how those run.

A task is a folder beside this file, with a `TaskModule` that the worker finds by its name (`registry`). The worker owns
the socket, the queue and the batches; a task knows none of them. It makes a job of each request, and the kind of job
says how it runs:

    SequenceJob   token sequences, batched with those of other requests and run by the task's `SequenceTask`
    ArrayJob      arrays, such as prepared images, batched with those of one shape and run by the task's `ArrayTask`
    DeviceJob     steps on the device, one after another; each gives a part of the answer
    TokenJob      prompts for a `TokenModel`, which runs the sequences of all requests together, step by step
    Answered      no device: the answer is there already

Threads: requests become jobs on the worker's intake thread, or on several (`LoadedTask.prepares_long`, and those of a
`TokenModel`), while jobs run and answer on its device thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from numpy.typing import NDArray

from panope_backends.api import Arrays, GenerationRequest, LoadedModel, LoadOptions, TensorModel, TokenDelta
from panope_backends.errors import InvalidInputError
from panope_backends.media.limits import MediaLimits

Rows = NDArray[Any]
"""One row for each sequence: float32, sequences × width; or, where rows are of many lengths, one array of float32 each
(dtype object)."""


@dataclass(slots=True, frozen=True)
class TokenRow:
    """One text as the model sees it.

    Attributes:
        ids: of the model's vocabulary, special tokens included; at least one.
        prompt_tokens: how many leading ids are the prompt and the special tokens before it; 0 without a prompt.
        type_ids: which of two texts each id is of, as the tokenizer tells it; empty where all are 0.
        unseen: how many ids at its end the others do not attend to, though they have vectors of their own.
        route: of a model with several, the one that it is run by; empty for other models.
    """

    ids: Sequence[int]
    prompt_tokens: int = 0
    type_ids: Sequence[int] = ()
    unseen: int = 0
    route: str = ""


class SequenceJob(ABC):
    """A request over token sequences, which answers in one part."""

    sequences: Sequence[TokenRow]
    """What must run, in the order of the request's texts; at least one."""

    @abstractmethod
    def answer(self, rows: Rows) -> bytes:
        """The task's message to the server, from the rows of all sequences in their order."""


@dataclass(slots=True, frozen=True)
class ArrayItem:
    """One image, or what else is no text, as the model sees it.

    Attributes:
        arrays: the model's inputs, without the batch's axis.
        tokens: as many as it costs the device, about; at least 1. A patch of 16 × 16 pixels counts as one.
    """

    arrays: Arrays
    tokens: int

    @property
    def shape(self) -> Hashable:
        """Alike for items that can run together."""
        return tuple((name, array.shape, array.dtype.str) for name, array in sorted(self.arrays.items()))


class ArrayJob(ABC):
    """A request over arrays, which answers in one part.

    It may run in several rounds, each over what the one before gave, such as the lines that were found in an image.
    """

    items: Sequence[ArrayItem]
    """What must run first, in the order of the request's items; at least one, unless its rounds are slow to make."""

    makes_rounds_slowly: bool = False
    """Whether `next_items` may take long. Then threads of their own call it, for the first round too."""

    def next_items(self, rows: Sequence[Arrays]) -> Sequence[ArrayItem]:
        """What must run after a round, from what the model gave for each of its items; empty when that was the last.

        It is called on the device's thread, so it must be quick unless `makes_rounds_slowly`. Default: there is one
        round.

        Raises:
            PanopeError: the request fails with it.
        """
        del rows
        return ()

    @abstractmethod
    def answer(self, rows: Sequence[Arrays]) -> bytes:
        """The task's message to the server, from what the model gave for the last round's items, in their order."""

    def close(self) -> None:  # noqa: B027 - optional: few hold anything
        """Ends what it has beside its items, once its request is over, however it ended.

        It is called from any thread, perhaps while a slow round is made, and must be quick. Default: nothing.
        """


class DeviceJob(ABC):
    """A request that runs by itself, step by step; between its steps other requests run."""

    @abstractmethod
    def step(self) -> tuple[bytes, bool]:
        """Runs one step: the next part of the answer as the task's message, and whether it is the last."""

    def close(self) -> None:  # noqa: B027 - optional: most jobs hold nothing but memory
        """Frees what the job holds, however its request ended: answered, failed, cancelled or late.

        It is called once, from any thread, and must be quick. A step that runs then ends when it ends; what it gives is
        dropped. Default: nothing.
        """


class TokenJob(ABC):
    """A request to a model that generates; its answer comes in as many parts as there is something to tell.

    Each prompt is a `GenerationRequest`. The worker submits them when the model has slots, under ids of its own, and
    hands over the deltas as they come. It asks for a part after each step, unless the caller is behind: then deltas
    pile up in the job, and the next part holds them all.
    """

    requests: Sequence[GenerationRequest]
    """What the model is asked, at least one; their ids mean nothing.

    `take` may add more when it takes a last delta.
    """

    @abstractmethod
    def take(self, index: int, delta: TokenDelta) -> None:
        """Takes what the answers to `requests[index]` have more than before.

        Raises:
            PanopeError: the request fails with it.
        """

    @abstractmethod
    def part(self) -> bytes | None:
        """The task's message of what was taken since the last part; None when it tells nothing yet.

        When each request has had its last delta, there is one, and it is the last.
        """

    def located(self, index: int, error: InvalidInputError) -> InvalidInputError:
        """The model's refusal of `requests[index]`, with the fields of the task's message. Default: as it is."""
        del index
        return error


@dataclass(slots=True)
class Answered:
    """A request that needed no device.

    Attributes:
        output: the task's message to the server.
    """

    output: bytes


Job = SequenceJob | ArrayJob | DeviceJob | TokenJob | Answered

Prepare = Callable[[bytes], Job]
"""Makes a job of the task's message from the server.

Raises:
    InvalidInputError: a field of the request is wrong for this model.
"""


class SequenceTask(ABC):
    """Runs the token sequences of one loaded model.

    A batch mixes sequences of different requests, so `run` depends on the sequences alone, and what one request asked
    for is done in its job's `answer`.
    """

    @property
    @abstractmethod
    def row_width(self) -> int:
        """The number of values that `run` gives for each sequence, 0 for as many as it likes; known after `trial`."""

    @property
    def parts(self) -> Sequence[SequenceTask]:
        """The tasks that it runs texts by, each of which may take padding in its own way. Default: itself."""
        return (self,)

    @abstractmethod
    def run(self, sequences: Sequence[TokenRow]) -> Rows:
        """Runs one batch."""

    def pad_alone(self, wanted: bool) -> None:  # noqa: B027 - optional: a task may never pad
        """Says whether a text that runs alone, or beside others of its length, may be padded; it may at first."""

    @abstractmethod
    def sample(self, tokens: int) -> TokenRow:
        """A text of about so many tokens, to measure with; shorter when the model takes no more."""

    @abstractmethod
    def trial(self) -> None:
        """Runs a short text once, so that a model that cannot answer is never called ready.

        Raises:
            PanopeError: the model's answer is no answer.
        """


class ArrayTask(ABC):
    """Runs the arrays of one loaded model; as of `SequenceTask`, a batch mixes items of different requests."""

    @abstractmethod
    def run(self, items: Sequence[ArrayItem]) -> Sequence[Arrays]:
        """Runs one batch, of items of one shape: what the model gives for each, without the batch's axis."""

    @abstractmethod
    def sample(self, number: int) -> ArrayItem:
        """An item to try with; no two numbers give the same one, and all are of one shape."""


@dataclass(frozen=True)
class LoadedAdapter:
    """An adapter that runs beside a model, as a model of its own to those who call it.

    Attributes:
        requests: as of `LoadedTask`, for requests that name it.
        facts: the task's message to the server about it.
        end: forgets it; requests that run with it are cancelled.
    """

    requests: Mapping[str, Prepare]
    facts: bytes
    end: Callable[[], None]


class AdapterTask(Protocol):
    """Loads adapters beside a model that is loaded and perhaps runs; called from any thread."""

    @property
    def most(self) -> int:
        """How many at a time, at least 1."""

    def load(self, folder: Path, variant_digest: str) -> LoadedAdapter:
        """Loads one.

        Args:
            folder: of its variant's files: the base's, with those of the adapter in `lora.FOLDER`.
            variant_digest: of its variant's manifest.

        Raises:
            PanopeError: why it cannot run here; with the reason `needs_own_instance` it can elsewhere.
        """


class ModelSource(Protocol):
    """What a task loads a model from."""

    @property
    def folder(self) -> Path:
        """The folder of the variant's files."""

    @property
    def format(self) -> str:
        """Of the variant's weights, as of `ModelFacts`."""

    @property
    def cache_folder(self) -> Path | None:
        """Where what is made of the files may be kept; None for nowhere."""

    @property
    def max_batch_tokens(self) -> int:
        """The most tokens that run as one batch."""

    @property
    def max_memory_bytes(self) -> int:
        """The memory that the worker may allocate; 0 for any."""

    @property
    def media_limits(self) -> MediaLimits:
        """How large media may be that are decoded."""

    @property
    def variant_digest(self) -> str:
        """Of the variant's manifest; empty when unknown."""

    @property
    def grants(self) -> Sequence[str]:
        """What an admin lets the model do, as of `ModelFacts`."""

    @property
    def settings(self) -> bytes:
        """The task's message with the server's settings of it; empty for tasks that have none."""

    def load(self, config: Mapping[str, Any], folder: Path | None = None, *, head: str = "") -> TensorModel:
        """Loads the model on the backend and the device that the server chose.

        Args:
            config: its config.json.
            folder: of the weights; None for the variant's folder.
            head: as of `ModelFacts`.

        Raises:
            PanopeError: why it cannot be loaded, or that the backend loads it as another kind.
        """

    def load_any(
        self,
        config: Mapping[str, Any],
        folder: Path | None = None,
        *,
        options: LoadOptions | None = None,
        head: str = "",
    ) -> LoadedModel:
        """As `load`, whatever kind of model it becomes.

        Args:
            config: its config.json.
            folder: of the weights; None for the variant's folder.
            options: those that the task knows of; the server's precision and the cache folder are added.
            head: as of `ModelFacts`.
        """


@dataclass
class LoadedTask:
    """A loaded model, and what it answers.

    Attributes:
        model: requests to a `TokenModel` are `TokenJob`s, or answered at once.
        config: its config.json, by which the memory of a run is estimated.
        requests: makes jobs, by the name of the task that a request is for; `tensors` is added to every TensorModel.
        sequences: runs the sequences of its jobs; None when it makes no `SequenceJob`.
        facts: the task's message to the server about the model.
        values_per_token: that a run gives beside the model's own states, such as one for each word of a vocabulary.
        is_tried: whether it has answered a trial run; False where no run is known that any such model takes.
        end: ends what the task has beside the model, such as processes.
        adapters: loads adapters beside the model; None where it takes none.
        arrays: runs the arrays of its jobs; None when it makes no `ArrayJob`.
        prepares_long: whether making a job may take seconds, as decoding audio does: several threads do it then,
            so that others need not wait. Requests of a `TokenModel` are in any case.
    """

    model: LoadedModel
    config: Mapping[str, Any]
    requests: Mapping[str, Prepare] = field(default_factory=dict)
    sequences: SequenceTask | None = None
    facts: bytes = b""
    values_per_token: int = 0
    is_tried: bool = True
    end: Callable[[], None] = lambda: None
    adapters: AdapterTask | None = None
    arrays: ArrayTask | None = None
    prepares_long: bool = False

    def close(self) -> None:
        """Ends the model and what the task has beside it."""
        self.end()
        self.model.close()


class TaskModule(ABC):
    """One task of models.

    Attributes:
        name: of the task, as the registry and the server call it.
    """

    name: ClassVar[str]

    @abstractmethod
    def load(self, source: ModelSource) -> LoadedTask:
        """Loads a model for this task and tries it.

        Raises:
            PanopeError: why it cannot be served.
        """
