"""The suite of models that classify fails what does not keep the contract; see `test_token_model_contract`."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from broken_classification_models import Broken

BROKEN = Path(__file__).with_name("broken_classification_models.py")
FAULTS = re.findall(r'^class (Test\w+)\(Broken\):\n    caught_by = "(\w+)"', BROKEN.read_text(), re.MULTILINE)


class TestBytes(Broken):
    """Without a fault it passes."""


@pytest.fixture(scope="module")
def failed(failed_tests: Callable[..., set[tuple[str, str]]]) -> set[tuple[str, str]]:
    return failed_tests(BROKEN, FAULTS)


@pytest.mark.parametrize(("broken", "test"), FAULTS)
def test_a_broken_model_fails_the_suite(failed: set[tuple[str, str]], broken: str, test: str) -> None:
    assert (broken, test) in failed


def test_every_broken_model_is_looked_at() -> None:
    assert len(FAULTS) == BROKEN.read_text().count("\nclass Test")
