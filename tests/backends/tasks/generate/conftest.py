"""A model whose tokens are bytes, and the worker's side of task `generate` without a process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

from panope.worker.v1 import generate_pb2 as messages
from panope_backends.api import LoadedModel, LoadOptions, ModelFacts, TensorModel
from panope_backends.plugins import load_backend
from panope_backends.tasks.generate.module import GenerateModule
from panope_backends.tasks.task import LoadedTask, TokenJob
from panope_backends.testing.models import keep_chat_tokenizer

SPECIAL = ("<bos>", "<eos>", "<|im_start|>", "<|im_end|>")
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class Source:
    """What the worker gives a task to load from."""

    def __init__(self, folder: Path, backend: str, settings: messages.GenerateSettings, cache: Path) -> None:
        self.folder = folder
        self.cache_folder = cache
        self.max_batch_tokens = 4096
        self.max_memory_bytes = 0
        self.variant_digest = ""
        self.settings = settings.SerializeToString()
        self._backend = backend

    def load(self, config: Mapping[str, Any], folder: Path | None = None) -> TensorModel:
        raise NotImplementedError

    def load_any(
        self, config: Mapping[str, Any], folder: Path | None = None, *, options: LoadOptions | None = None
    ) -> LoadedModel:
        facts = ModelFacts("acme/bytes", "safetensors", "generate", "", config)
        return load_backend(f"panope_backends.testing:{self._backend}").load(
            facts, folder or self.folder, "CPU", options or LoadOptions()
        )


class Generator:
    """A loaded model, asked without a worker."""

    def __init__(self, task: LoadedTask) -> None:
        self.task = task
        self.facts = messages.GenerateFacts.FromString(task.facts)
        self._last_id = 0

    def job(self, **fields: Any) -> TokenJob:
        """The job of a message with these fields; greedy unless they say otherwise."""
        fields = {"temperature": 0.0, "n": 1, "skip_special_tokens": True, "add_special_tokens": True, **fields}
        job = self.task.requests["generate"](messages.GenerateInput(**fields).SerializeToString())
        assert isinstance(job, TokenJob)
        return job

    def run(self, **fields: Any) -> list[messages.GenerateOutput]:
        """All parts of the answer to such a message."""
        job, model = self.job(**fields), self.task.model
        owners = {}
        for index, request in enumerate(job.requests):
            self._last_id += 1
            owners[self._last_id] = index
            model.submit(replace(request, id=self._last_id))  # type: ignore[attr-defined]  # a TokenModel
        parts: list[messages.GenerateOutput] = []
        while owners:
            for delta in model.deltas(1.0):  # type: ignore[attr-defined]  # the fixture says what it is
                job.take(owners[delta.request_id], delta)
                if delta.usage is not None:
                    del owners[delta.request_id]
            if (part := job.part()) is not None:
                parts.append(messages.GenerateOutput.FromString(part))
        return parts

    def answer(self, **fields: Any) -> messages.GenerateDelta:
        """The only answer, whole."""
        (part,) = self.run(**fields)
        (delta,) = part.deltas
        return delta


@pytest.fixture(scope="module")
def loaded_from() -> Callable[..., Generator]:
    """Loads a model of a folder with what loads its weights."""

    def load(
        folder: Path, cache: Path, load_model: Callable[[LoadOptions | None], LoadedModel], **given: Any
    ) -> Generator:
        class Loading(Source):
            def load_any(
                self, config: Mapping[str, Any], folder: Path | None = None, *, options: LoadOptions | None = None
            ) -> LoadedModel:
                return load_model(options)

        source = Loading(folder, "", messages.GenerateSettings(slots=4, step_tokens=64, prefix_cache=True), cache)
        vars(source).update(given)
        return Generator(GenerateModule().load(source))

    return load


@pytest.fixture
def byte_model(tmp_path: Path) -> Path:
    """A folder whose tokenizer has a token for each byte, puts `<bos>` first and knows ChatML."""
    folder = tmp_path / "bytes"
    folder.mkdir()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {character: index for index, character in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.post_processor = processors.TemplateProcessing(
        "<bos> $A", special_tokens=[("<bos>", tokenizer.token_to_id("<bos>"))]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    files = {
        "config.json": {"model_type": "llama", "vocab_size": 260, "max_positions": 2048, "block_size": 8},
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": "<bos>",
            "eos_token": "<eos>",
            "chat_template": CHATML,
        },
        "generation_config.json": {"eos_token_id": [257, 259], "temperature": 0.6, "top_p": 0.9, "max_new_tokens": 16},
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    return folder


@pytest.fixture
def generator(byte_model: Path, tmp_path: Path) -> Iterator[Callable[..., Generator]]:
    """Loads the model on a backend of `panope_backends.testing`."""
    made: list[Generator] = []

    def load(
        backend: str = "ChecksumBackend", template: str | None = None, languages: Any = None, **settings: Any
    ) -> Generator:
        if (byte_model / "tokenizer.json").exists():
            keep_chat_tokenizer(byte_model, {"bos_token": "<bos>", "eos_token": "<eos>"}, template or CHATML, languages)
        defaults = {"slots": 4, "step_tokens": 16, "max_step_tokens": 64, "template_seconds": 2.0, **settings}
        source = Source(byte_model, backend, messages.GenerateSettings(**defaults), tmp_path / "cache")
        made.append(Generator(GenerateModule().load(source)))
        return made[-1]

    yield load
    for each in made:
        each.task.close()
