"""How much a key, or all callers of a model together, may ask for: `100/s`, `1M/day`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from panope_backends.errors import InvalidInputError
from panope_registry.names import shown

MAX_AMOUNT = 10**15

_LIMIT = re.compile(r"(?P<number>[1-9]\d{0,14})(?P<prefix>[kMG]?)/(?P<period>[a-z]+)", re.ASCII)
_PREFIXES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}


class Counted(StrEnum):
    """What is counted."""

    REQUESTS = "requests"
    TOKENS = "tokens"


class Period(StrEnum):
    """The time in which so much may be asked for."""

    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"

    @property
    def is_calendars(self) -> bool:
        """Whether it begins anew with the calendar (UTC): a quota, not a rate."""
        return self in (Period.DAY, Period.MONTH)


#: As people write them.
_PERIODS = {
    **{period.value: period for period in Period},
    "s": Period.SECOND,
    "sec": Period.SECOND,
    "m": Period.MINUTE,
    "min": Period.MINUTE,
    "h": Period.HOUR,
    "d": Period.DAY,
    "mo": Period.MONTH,
}
_SECONDS = {Period.SECOND: 1.0, Period.MINUTE: 60.0, Period.HOUR: 3600.0}


@dataclass(frozen=True, slots=True)
class Limit:
    """A rate, which refills steadily, or a quota, which begins anew with each day or month (UTC).

    Attributes:
        counted: requests, or tokens of what was read and written.
        amount: how many in one period; of a rate also how many at once.
        period: of a quota `day` or `month`.
    """

    counted: Counted
    amount: int
    period: Period

    @classmethod
    def parse(cls, text: str, counted: Counted, field: str) -> Limit:
        """Reads a limit as people write it, such as `100/s` or `1M/day`.

        Raises:
            InvalidInputError: it is none.
        """
        found = _LIMIT.fullmatch(text)
        period = _PERIODS.get(found["period"]) if found else None
        amount = int(found["number"]) * _PREFIXES[found["prefix"]] if found else 0
        if period is None or amount > MAX_AMOUNT:
            raise InvalidInputError.at(
                field,
                "{field} holds `{text}`: write such as `100/s`, `60/min`, `1M/day` or `2G/month`",
                text=shown(text),
            )
        return cls(counted, amount, period)

    @property
    def is_quota(self) -> bool:
        """Whether it begins anew with the calendar."""
        return self.period.is_calendars

    @property
    def per_second(self) -> float:
        """How fast a rate refills."""
        return self.amount / _SECONDS[self.period]

    def __str__(self) -> str:
        """As people write it, without what is counted."""
        return f"{self.amount}/{self.period.value}"
