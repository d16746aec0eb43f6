from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))  # for `cache_doubles`

from cache_doubles import Cached

from panope_server.config import ResponseCacheSettings


@pytest.fixture
def make_cached() -> Callable[..., Cached]:
    """Makes a cache with other settings than the usual ones."""

    def make(**settings: Any) -> Cached:
        return Cached(settings=ResponseCacheSettings(enabled=True, **settings))

    return make


@pytest.fixture
def cached() -> Cached:
    return Cached()
