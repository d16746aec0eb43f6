"""The suite of token models passes what keeps the contract and fails what does not."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from panope_backends.api import Backend, LoadOptions, ModelFacts, TokenModel
from panope_backends.testing import EchoTokenBackend, EchoTokenModel, TokenModelContract

BROKEN = Path(__file__).with_name("broken_token_models.py")
FAULTS = re.findall(r'^class (Test\w+)\(Broken\):\n    caught_by = "(\w+)"', BROKEN.read_text(), re.MULTILINE)


class TestEchoTokens(TokenModelContract):
    @pytest.fixture
    def backend(self) -> Backend:
        return EchoTokenBackend()

    @pytest.fixture
    def model(self) -> ModelFacts:
        return ModelFacts("test/echo-tokens", "safetensors", config={"max_positions": 256})


class TestEchoTokensOfTokens(TestEchoTokens):
    """The same without texts as prompts."""

    prompt_token_ids = tuple(TestEchoTokens.prompt.encode())

    @pytest.fixture
    def backend(self) -> Backend:
        class TokensAlone(EchoTokenModel):
            honoured = EchoTokenModel.honoured - {"prompt"}

        class TokensAloneBackend(EchoTokenBackend):
            def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> TokenModel:
                super().load(model, folder, device, options)
                return TokensAlone(model.config)

        return TokensAloneBackend()


class TestEchoTokensWithOneSlot(TestEchoTokens):
    @pytest.fixture
    def model(self) -> ModelFacts:
        return ModelFacts("test/echo-tokens", "safetensors", config={"slots": 1, "max_positions": 256})


@pytest.fixture(scope="module")
def failed(failed_tests: Callable[..., set[tuple[str, str]]]) -> set[tuple[str, str]]:
    return failed_tests(BROKEN, FAULTS)


@pytest.mark.parametrize(("broken", "test"), FAULTS)
def test_a_broken_model_fails_the_suite(failed: set[tuple[str, str]], broken: str, test: str) -> None:
    assert (broken, test) in failed


def test_every_broken_model_is_looked_at() -> None:
    assert len(FAULTS) == BROKEN.read_text().count("\nclass Test")
