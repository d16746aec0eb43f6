"""Adapters of a model that generates, each with its own prompts and defaults, on the one engine of the model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from panope_backends.errors import PreconditionError
from panope_backends.generation import GenerationEngine
from panope_backends.lora import FOLDER
from panope_backends.tasks.generate.defaults import GenerationDefaults, read_defaults
from panope_backends.tasks.generate.loading.answering import Answering
from panope_backends.tasks.generate.tokenizer.prepared import PreparedChatTokenizer
from panope_backends.tasks.generate.tokenizer.prepared_tokenizer import prepared_tokenizer
from panope_backends.tasks.generate.tokenizer.text_encoder import TextEncoder
from panope_backends.tasks.task import LoadedAdapter


@dataclass(frozen=True)
class GenerateAdapters:
    """Loads adapters beside one model.

    Attributes:
        engine: that runs all of them.
        answering: of the model, for the files of each.
        prepared: the model's own tokenizer, whose tokens the engine draws and makes texts of.
        defaults: of the model's own files.
        cache: where prepared tokenizers are kept; None for nowhere.
    """

    engine: GenerationEngine
    answering: Answering
    prepared: PreparedChatTokenizer
    defaults: GenerationDefaults
    cache: Path | None

    @property
    def most(self) -> int:
        """How many at a time."""
        return self.engine.max_adapters

    def load(self, folder: Path, variant_digest: str) -> LoadedAdapter:
        """Loads one whose tokens are the model's; its chat template and its defaults may be others."""
        prepared = prepared_tokenizer(folder, self.cache)
        defaults = read_defaults(folder, self.answering.config)
        if bytes(prepared.tokenizer) != bytes(self.prepared.tokenizer):
            raise _needs_own_instance("its tokenizer is another")
        if defaults.eos_token_ids != self.defaults.eos_token_ids:
            raise _needs_own_instance("other tokens end its answers")
        self.engine.add_adapter(variant_digest, folder / FOLDER)
        try:
            honoured = defaults.honoured_by(self.engine.honoured, self.engine.vocab_size)
            made = self.answering.of(prepared, TextEncoder(prepared), honoured, variant_digest)
        except BaseException:
            self.engine.remove_adapter(variant_digest)
            raise

        def end() -> None:
            self.engine.remove_adapter(variant_digest)
            made.end()

        return LoadedAdapter(made.requests, made.facts, end)


def _needs_own_instance(problem: str) -> PreconditionError:
    return PreconditionError(f"the adapter cannot run beside its base: {problem}", reason="needs_own_instance")
