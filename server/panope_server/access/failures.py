"""Wrong keys: how many one address may send before it is refused without asking the database."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

from panope_backends.errors import RateLimitError

#: At once, and after that one a second.
BURST = 60
PER_SECOND = 1.0
MAX_ADDRESSES = 10_000


class Failures:
    """Counts wrong keys by the addresses that sent them; keys that there are are never refused by it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()  # how many, and when that was so

    def count(self, address: str) -> None:
        """Counts one.

        Raises:
            RateLimitError: the address has sent too many.
        """
        name, moment = _network_of(address), self._clock()
        spent = self._now(name, moment)
        if spent + 1 > BURST:
            raise RateLimitError(
                "too many calls with wrong API keys came from this address",
                reason="too_many_wrong_keys",
                retry_after_seconds=(spent + 1 - BURST) / PER_SECOND,
            )
        self._set(name, spent + 1, moment)

    def forgive(self, address: str) -> None:
        """Takes one back."""
        name, moment = _network_of(address), self._clock()
        self._set(name, max(0.0, self._now(name, moment) - 1), moment)

    def _now(self, name: str, moment: float) -> float:
        spent, since = self._spent.get(name, (0.0, moment))
        return max(0.0, spent - (moment - since) * PER_SECOND)

    def _set(self, name: str, spent: float, moment: float) -> None:
        self._spent[name] = (spent, moment)
        self._spent.move_to_end(name)
        if len(self._spent) > MAX_ADDRESSES:
            self._spent.popitem(last=False)


def _network_of(address: str) -> str:
    """An IPv6 host has a network of addresses to itself."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network(f"{address.partition('%')[0]}/64", strict=False))
    except ValueError:
        return address
