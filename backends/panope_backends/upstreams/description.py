"""The description of a model on a server elsewhere: the one file of a variant in the format `remote`.

It holds no secret: a key belongs to a host and stands in the settings, so that whoever registers a model sends none
anywhere.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.upstreams.addresses import check_url

FORMAT = "remote"
"""Of variants that are such a description."""

FILE = "remote.json"

MAX_FILE_BYTES = 1 << 14
MAX_MODEL_CHARACTERS = 200

Protocol = Literal["openai", "vllm", "tgi", "tei", "kserve"]

#: What each protocol's servers do; the first where nobody says.
TASKS: dict[str, tuple[str, ...]] = {
    "openai": ("generate", "embed"),
    "vllm": ("generate", "embed"),
    "tgi": ("generate",),
    "tei": ("embed", "rerank", "classify"),
    "kserve": ("",),
}

#: Protocols whose servers have one model each, which requests do not name.
_ONE_MODEL = frozenset({"tgi", "tei"})


class Upstream(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model on a server elsewhere.

    Attributes:
        url: of the API, such as `https://HOST/v1`; http or https, without a query.
        protocol: that the server speaks.
        model: as the server calls it; empty where it has one model.
        task: of the model; empty for tensors alone.
    """

    url: str
    protocol: Protocol
    model: str = ""
    task: str = ""

    @property
    def words(self) -> str:
        """What people read of it."""
        return f"{self.model or 'the model'} at {self.url}, by the protocol {self.protocol}"

    def to_json(self) -> bytes:
        """The file's content, the same of equal descriptions."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


def checked_upstream(url: str, protocol: str, model: str, task: str = "") -> Upstream:
    """A description that was checked.

    Args:
        url: of the API.
        protocol: that the server speaks.
        model: as the server calls it.
        task: empty for the protocol's first.

    Raises:
        InvalidInputError: `upstream.url`, `upstream.protocol` or `upstream.model` is wrong, or `task_hints`.
    """
    if protocol not in TASKS:
        known = ", ".join(f"`{name}`" for name in TASKS)
        raise InvalidInputError.at("upstream.protocol", "{field} must be one of {known}", known=known)
    tasks = TASKS[protocol]
    if task and task not in tasks:
        known = " or ".join(f"`{name}`" for name in tasks) if any(tasks) else "no task, which is tensors"
        raise InvalidInputError.at(
            "task_hints", "{field}: servers that speak {protocol} do {known}", protocol=protocol, known=known
        )
    if (protocol in _ONE_MODEL) == bool(model):
        rule = "must be empty: a server that speaks {protocol} has one model" if model else "must be given"
        raise InvalidInputError.at("upstream.model", f"{{field}} {rule}", protocol=protocol)
    if len(model) > MAX_MODEL_CHARACTERS or not model.isprintable():
        raise InvalidInputError.at(
            "upstream.model", "{field} must be at most {limit} characters, all visible", limit=MAX_MODEL_CHARACTERS
        )
    return Upstream(check_url(url), msgspec.convert(protocol, Protocol), model, task or tasks[0])


def read_upstream(content: bytes) -> Upstream:
    """The description that a file holds.

    Raises:
        PreconditionError: it holds none.
    """
    try:
        found = msgspec.json.decode(content[: MAX_FILE_BYTES + 1], type=Upstream)
        return checked_upstream(found.url, found.protocol, found.model, found.task)
    except (msgspec.DecodeError, InvalidInputError):
        raise PreconditionError(f"the variant's {FILE} describes no server", reason="load_failed") from None
