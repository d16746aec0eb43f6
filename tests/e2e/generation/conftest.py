"""The clients that most people have, of the server with the seeded decoder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from huggingface_hub import InferenceClient

#: The first of these tests waits for a conversion, beside others that convert.
FIRST_SECONDS = 400


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives the tests of this folder that time."""
    for item in items:
        if "seeded_server" in getattr(item, "fixturenames", ()) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(FIRST_SECONDS))


@pytest.fixture(scope="session")
def client(seeded_server: Any) -> Iterator[openai.OpenAI]:
    """OpenAI's own client, which tries nothing twice."""
    with openai.OpenAI(base_url=f"{seeded_server.http_url}/v1", api_key="unused", max_retries=0) as made:
        yield made


@pytest.fixture(scope="session")
def hugging_face(seeded_server: Any) -> InferenceClient:
    """Hugging Face's own client."""
    return InferenceClient(base_url=seeded_server.http_url)
