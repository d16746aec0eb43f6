"""What a model's files say of embedding with it, once they are read; see `config_files`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from panope_backends.model_facts import word_tables
from panope_backends.tasks.embed.files.modules_file import AUTO_ENCODER, STATIC, HeadStep
from panope_backends.tasks.embed.files.multi_vector_files import MultiVectors
from panope_backends.tasks.embed.files.word_files import WordsFile


@dataclass(frozen=True)
class TokenizerSettings:
    """What sentence-transformers' files say of the tokenizer.

    Attributes:
        arguments: transformers makes the tokenizer with, besides its own files.
        stated_tokens: the longest text as `max_seq_length` says; None when it says nothing.
        call_tokens: as `processing_kwargs` says, before all else; None when it says nothing.
        lower_case: whether texts are put into lower case before the tokenizer's own rules.
        plain: whether the folder has no modules.json.
    """

    arguments: Mapping[str, Any] = field(default_factory=dict)
    stated_tokens: int | None = None
    call_tokens: int | None = None
    lower_case: bool = False
    plain: bool = False


@dataclass(frozen=True)
class EmbedFiles:
    """How to embed with one model.

    Attributes:
        transformer_folder: holds the weights, config.json and the tokenizer.
        config: the parsed config.json.
        tokenizer: what to make the tokenizer with.
        pooling_modes: one vector for each, joined in this order.
        pool_prompt: whether the prompt's tokens count when pooling.
        token_steps: what is done to the vectors of tokens before they are pooled.
        head: the steps after pooling, without a Normalize at their end.
        normalize: whether the steps end with Normalize.
        prompts: name to text.
        default_prompt_name: the prompt of requests that name none.
        default_dimensions: leading values to keep when a request does not say; None for all.
        pairs: whether the model takes two texts too, so that its tokenizer must put them together as transformers does.
        table: the module that looks tokens up in the place of a transformer, as of `Modules`; empty for none.
        words: where its words are listed, of a table of words; None for other models, and those with a tokenizer.
        marks: whether it is asked which tokens start a text and stand for what is masked.
        model_head: of a sparse encoder, as of `ModelFacts`.
        max_active_dims: the most values that are not 0, of a sparse vector; None for any.
        multi: how a model gives a vector for each token; None for other models.
        routes: what is said of each route, where what a text is for decides how it is run; all else is then that of
            the route whose encoder stands for the model. {} for other models.
        of_purpose: as of `Routes`; {} for other models.
        layers: as of `Modules`.
        towers: config.json of a model of images and texts; `config` is then its part of texts. {} for other models.
    """

    transformer_folder: Path
    config: Mapping[str, Any]
    tokenizer: TokenizerSettings = TokenizerSettings()
    pooling_modes: tuple[str, ...] = ("mean",)
    pool_prompt: bool = True
    token_steps: tuple[HeadStep, ...] = ()
    head: tuple[HeadStep, ...] = ()
    normalize: bool = False
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt_name: str | None = None
    default_dimensions: int | None = None
    pairs: bool = False
    table: str = ""
    words: WordsFile | None = None
    marks: bool = False
    model_head: str = ""
    max_active_dims: int | None = None
    multi: MultiVectors | None = None
    routes: Mapping[str, EmbedFiles] = field(default_factory=dict)
    of_purpose: Mapping[str, str] = field(default_factory=dict)
    towers: Mapping[str, Any] = field(default_factory=dict)
    layers: HeadStep | None = None

    @property
    def steps(self) -> tuple[HeadStep, ...]:
        """All that is done to what the transformer gives, with folders of their own."""
        return (*((self.layers,) if self.layers else ()), *self.token_steps, *self.head)

    @property
    def is_static(self) -> bool:
        """Whether it is a table of the vectors of tokens, whose mean a text's vector is."""
        return self.table == STATIC

    @property
    def takes_empty(self) -> bool:
        """Whether a text of no token has a vector, as of a table, where no mode takes one of its tokens' values."""
        return bool(self.table) and "max" not in self.pooling_modes

    @property
    def pooling(self) -> str:
        """What makes a text's vector of its tokens', in a word."""
        counted = ("sum" if self.config.get("cumulative_term_frequency") else "presence") if self.is_counted else ""
        return self.model_head or counted or "+".join(self.pooling_modes)

    @property
    def is_counted(self) -> bool:
        """Whether a text's vector has a place for each word of a list."""
        return self.table == word_tables.BAG_OF_WORDS

    @property
    def is_sparse(self) -> bool:
        """Whether vectors are sparse."""
        return bool(self.model_head) or self.is_auto_encoded

    @property
    def is_auto_encoded(self) -> bool:
        """Whether dense vectors are made sparse by the last of the steps."""
        return any(step.kind == AUTO_ENCODER for step in self.head)

    @property
    def ways(self) -> tuple[EmbedFiles, ...]:
        """What is said of each way that texts may be run, which are several where there are routes."""
        return tuple(self.routes.values()) or (self,)
