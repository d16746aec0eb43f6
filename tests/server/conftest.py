"""What each test of the server begins with, whichever tests of its process ran before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from panope_server.access.principal import ANONYMOUS, set_principal


@pytest.fixture(autouse=True)
def anonymous() -> Iterator[None]:
    """Nobody known calls: who a test says that it is would be the caller of the tests behind it too."""
    set_principal(ANONYMOUS)
    yield
    set_principal(ANONYMOUS)
