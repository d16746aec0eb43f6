"""Everything that can go wrong, as one tree.

    PanopeError
    ├── CallerError               the caller must change something
    │   ├── InvalidInputError     a field is wrong; `field` names it
    │   ├── NotFoundError         no such model, file, job …
    │   ├── AlreadyExistsError    the name is taken by something else
    │   ├── PreconditionError     right call, wrong moment or wrong machine
    │   ├── PermissionDeniedError not allowed, though it exists
    │   └── UnauthenticatedError  no key, or none that is good
    ├── CapacityError             try again later, here
    │   ├── OverloadedError       a queue is full; `retry_after_seconds` says when
    │   ├── RateLimitError        the caller asks too fast; `retry_after_seconds`
    │   └── QuotaError            the caller has had all of the day or the month
    ├── AvailabilityError         Panope cannot serve this now
    │   ├── LoadingError          the model is being loaded; `retry_after_seconds`
    │   ├── InstanceLostError     the worker died under the call
    │   └── ShuttingDownError     the server is stopping
    ├── DeadlineError             the caller's time was up
    ├── DataLossError             a stored file is not what its hash says
    └── InternalError             a defect of Panope, a backend or a model

An error says whose fault it is and knows no protocol: `panope_server.transport.errors` holds the one table that turns
each into a gRPC status. `message` is written for the caller: it holds no path, no secret, no text of another library.
`reason` is a stable word for programs.

A field of a request has other names for other callers: `texts[3]` of the protocol is `input[3]` of an OpenAI body. So a
sentence that mentions fields is raised by `at`, with a placeholder for each, and the edge writes it again by `renamed`:

    raise InvalidInputError.at("texts[3]", "{field} has {count:,} tokens; the limit is {limit:,}", count=600, limit=512)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import ClassVar, Self


@dataclass(frozen=True, slots=True)
class Field:
    """A request field that a sentence mentions, by its path in the protocol's words, such as `inputs[0].data_type`."""

    path: str

    def __str__(self) -> str:
        """The field as sentences write it."""
        return f"`{self.path}`"


Sentence = tuple[str | Field, ...]
"""A sentence in pieces: texts that are the same for every caller, and fields that each caller knows by a name."""


#: Between the fields that a sentence lists.
_COMMA = ", "


class PanopeError(Exception):
    """The root; never raised itself.

    Args:
        message: a sentence for the caller, in pieces where it mentions fields.
        reason: a stable word for programs; each class has a default.
        field: the path of the request field at fault, empty when none is.
        retry_after_seconds: when a retry can succeed; None when time does not help.
        details: more words for programs, by their names, such as the candidates of a choice.
    """

    default_reason: ClassVar[str] = "internal_error"

    def __init__(
        self,
        message: str | Sentence,
        *,
        reason: str = "",
        field: str = "",
        retry_after_seconds: float | None = None,
        details: Mapping[str, str] | None = None,
    ) -> None:
        self.sentence: Sentence = (message,) if isinstance(message, str) else message
        self.message = "".join(map(str, self.sentence))
        super().__init__(self.message)
        self.reason = reason or self.default_reason
        self.field = field
        self.retry_after_seconds = retry_after_seconds
        self.details = dict(details or {})

    @classmethod
    def at(cls, field: str, template: str, /, *, reason: str = "", **values: object) -> Self:
        """An error about a request field.

        Args:
            field: the path of the field at fault, in the protocol's words.
            template: the sentence, as `str.format` takes it: `{field}` stands for the field at fault.
            reason: as of every error.
            values: what the other placeholders stand for; a `Field` for another field that is mentioned.
        """
        return cls(_filled(template, {"field": Field(field), **values}), reason=reason, field=field)

    def renamed(self, name_of: Callable[[str], str]) -> Self:
        """The same error, newly made, with every field by the name that `name_of` gives for its path."""
        sentence = tuple(Field(name_of(part.path)) if isinstance(part, Field) else part for part in self.sentence)
        return type(self)(
            _without_repeats(sentence),
            reason=self.reason,
            field=name_of(self.field) if self.field else "",
            retry_after_seconds=self.retry_after_seconds,
            details=self.details,
        )


def _without_repeats(sentence: Sentence) -> Sentence:
    """Lists of fields, each named once: two of them may have one name for the caller."""
    kept: list[str | Field] = []
    listed: set[Field] = set()
    for piece in sentence:
        if not isinstance(piece, Field):
            listed = listed if piece == _COMMA else set()
        elif piece in listed and kept[-1] == _COMMA:
            kept.pop()
            continue
        else:
            listed.add(piece)
        kept.append(piece)
    return tuple(kept)


def _filled(template: str, values: Mapping[str, object]) -> Sentence:
    """The pieces of a template; values are never read as templates, whatever a caller wrote into them."""

    def pieces() -> Iterable[str | Field]:
        for text, name, form, _ in Formatter().parse(template):
            yield text
            if name is not None:
                value = values[name]
                yield value if isinstance(value, Field) else format(value, form or "")

    return tuple(piece for piece in pieces() if piece)


class CallerError(PanopeError):
    """The caller must change something before trying again."""

    default_reason = "invalid_request"


class InvalidInputError(CallerError):
    """A request field is wrong; `field` names it and `message` tells the limit."""

    default_reason = "invalid_input"


class NotFoundError(CallerError):
    """What the request names does not exist."""

    default_reason = "not_found"


class AlreadyExistsError(CallerError):
    """The name is taken by something else."""

    default_reason = "already_exists"


class PreconditionError(CallerError):
    """The request is right, but the state or the machine is not."""

    default_reason = "failed_precondition"


class PermissionDeniedError(CallerError):
    """The caller may not do this."""

    default_reason = "permission_denied"


class UnauthenticatedError(CallerError):
    """The call came without a key, or with one that is not good; which of them is told to nobody."""

    default_reason = "invalid_api_key"


class CapacityError(PanopeError):
    """There is no room now; the same call can succeed here later."""

    default_reason = "overloaded"


class OverloadedError(CapacityError):
    """A queue is full."""


class RateLimitError(CapacityError):
    """The caller asks for more in so short a time than it may."""

    default_reason = "rate_limit_exceeded"


class QuotaError(CapacityError):
    """The caller has had all that it may have in this day or month."""

    default_reason = "insufficient_quota"


class AvailabilityError(PanopeError):
    """Panope cannot serve this now."""

    default_reason = "unavailable"


class LoadingError(AvailabilityError):
    """The model is being loaded."""

    default_reason = "model_loading"


class InstanceLostError(AvailabilityError):
    """The worker process died, or was lost, while it had the call."""

    default_reason = "instance_lost"


class ShuttingDownError(AvailabilityError):
    """The server is stopping and takes no new calls."""

    default_reason = "shutting_down"


class DeadlineError(PanopeError):
    """The caller's time was up before there was an answer."""

    default_reason = "deadline_exceeded"


class DataLossError(PanopeError):
    """A stored file is not what its hash says; it is never opened."""

    default_reason = "data_loss"


class InternalError(PanopeError):
    """A defect of Panope, a backend or a model; the log has the cause."""


#: Every class that may cross the worker's socket, by `reason`; an unknown reason arrives as its class's own.
BY_REASON: dict[str, type[PanopeError]] = {
    kind.default_reason: kind
    for kind in (
        *(InvalidInputError, NotFoundError, PreconditionError, OverloadedError, AvailabilityError),
        *(DataLossError, InternalError),
    )
}
BY_REASON |= dict.fromkeys(("context_length_exceeded", "unsupported_field", "invalid_grammar"), InvalidInputError)
BY_REASON |= dict.fromkeys(("no_chat_template",), PreconditionError)

OUT_OF_DEVICE_MEMORY = "out_of_device_memory"
"""The reason of a call that the memory of a GPU does not suffice for, though it was tried in halves."""

BY_REASON |= {OUT_OF_DEVICE_MEMORY: OverloadedError}

_MOST_OF_NAME = 64


def kind_of(error: BaseException) -> str:
    """What to call an error of a library before callers: by its class and library, and never by its text.

    The text may tell paths and what other callers sent.

    Returns:
        Such as `RuntimeError of torch`, or ``the module `timm` is not installed``.
    """
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"the module `{error.name[:_MOST_OF_NAME]}` is not installed"
    library = type(error).__module__.partition(".")[0][:_MOST_OF_NAME]
    name = type(error).__name__[:_MOST_OF_NAME]
    return name if library == "builtins" else f"{name} of {library}"
