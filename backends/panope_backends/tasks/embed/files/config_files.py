"""What a model's folder says about embedding with it: sentence-transformers' files, read exactly.

    modules.json                        the steps; see `modules_file`
    sentence_bert_config.json           the longest text, lower case
    config_sentence_transformers.json   prompts
    N_Pooling/config.json               how token vectors become one vector

A folder without modules.json is a plain transformers model: mean pooling, or the last token of a causal language model,
as sentence-transformers does. What these files ask for and Panope cannot do is refused by name when the model loads:
an embedding that is silently a little wrong is worse than none. `sentence_files` has their keys, `preparing` what the
tokenizer's own files say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from panope_backends.errors import PreconditionError
from panope_backends.model_facts import word_tables
from panope_backends.model_facts.image_models import has_towers, part_of
from panope_backends.model_facts.word_tables import SPARSE_STATIC, WORD_EMBEDDINGS
from panope_backends.tasks.embed.files.embed_files import EmbedFiles, TokenizerSettings
from panope_backends.tasks.embed.files.modules_file import (
    AUTO_ENCODER,
    CLIP,
    OF_TOKENS,
    PROJECTION,
    HeadStep,
    Modules,
    Routes,
    read_modules,
)
from panope_backends.tasks.embed.files.multi_vector_files import (
    KINDS,
    NATIVE,
    PYLATE,
    is_colbert,
    prompts_of,
    read_colbert,
    read_model_file,
    read_multi_vectors,
)
from panope_backends.tasks.embed.files.sentence_files import (
    COMPARES,
    ENCODES,
    ENCODES_TOKENS,
    FILLS_MASKS,
    ModelFile,
    PoolingFile,
    SpladeFile,
    TransformerUse,
    call_max_tokens,
    read_auto_encoder,
    read_transformer_file,
    tokenizer_arguments,
)
from panope_backends.tasks.embed.files.word_files import (
    SparseStaticFile,
    WordsFile,
    read_bag_of_words,
    read_word_embeddings,
)
from panope_backends.tasks.json_files import read_json, read_typed, shown, typed

#: sentence-transformers' kinds of models that embed.
_DENSE, _SPARSE = "SentenceTransformer", "SparseEncoder"

STATIC_HEAD = "static"
"""What a SparseStaticEmbedding is called where others' heads are named."""

POOLING_MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")

#: The flags of older files, in the order in which sentence-transformers joins their vectors.
_POOLING_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


def read_embed_files(folder: Path) -> EmbedFiles:
    """Reads a model's folder.

    Raises:
        PreconditionError: a file is missing or broken, or asks for what Panope cannot do; the message names it.
    """
    if not (folder / "modules.json").is_file():
        return _plain_model(folder)
    modules = read_modules(folder)
    return _routed_model(folder, modules) if isinstance(modules, Routes) else _described_model(folder, modules)


def _routed_model(folder: Path, found: Routes) -> EmbedFiles:
    routes = {route: _described_model(folder, modules) for route, modules in found.modules.items()}
    if len({files.is_sparse for files in routes.values()}) > 1:
        raise PreconditionError("the routes of a Router give sparse vectors and others; Panope runs those of one kind")
    main = next((files for files in routes.values() if not files.table), next(iter(routes.values())))
    return replace(main, routes=routes, of_purpose=found.of_purpose)


def _described_model(folder: Path, modules: Modules) -> EmbedFiles:
    if modules.is_multi:
        return _multi_vector_model(folder, modules)
    encoder = modules.encoder
    config, settings, words = _encoder(modules)
    modes, pool_prompt = (("mean",), True) if modules.pooling is None else _pooling(modules.pooling)
    if modules.table == WORD_EMBEDDINGS:
        # The first token of such a text is no special one; and the library does not tell Pooling where a prompt ends.
        pool_prompt = True
        if "cls" in modes:
            raise PreconditionError(f"a model of {WORD_EMBEDDINGS} has no first token to pool by `cls`")
    head = "" if modules.splade is None else _splade(modules.splade)
    head = STATIC_HEAD if modules.table == SPARSE_STATIC else head
    rest = list(modules.text_steps)
    normalize = False
    while rest and rest[-1].kind == "Normalize":
        normalize = True
        rest.pop()
    encoded = [step.folder for step in rest if step.kind == AUTO_ENCODER]
    model_file = _model_file(folder, _SPARSE if head or encoded else _DENSE)
    most = model_file.max_active_dims
    if encoded and most is None:
        most = read_auto_encoder(encoded[0]).k
    return EmbedFiles(
        transformer_folder=encoder,
        config=config,
        tokenizer=settings,
        pooling_modes=modes,
        pool_prompt=pool_prompt,
        token_steps=modules.token_steps,
        head=tuple(rest),
        normalize=normalize,
        prompts={name: text or "" for name, text in model_file.prompts.items()},
        default_prompt_name=model_file.default_prompt_name,
        default_dimensions=model_file.truncate_dim,
        table=modules.table,
        words=words,
        model_head=head,
        max_active_dims=most,
        towers=read_json(encoder / "config.json") if modules.towers else {},
        layers=modules.layers,
    )


def _encoder(modules: Modules) -> tuple[Mapping[str, Any], TokenizerSettings, WordsFile | None]:
    """The configuration that engines are told, what is said of the tokenizer, and where words are listed."""
    folder = modules.encoder
    config: dict[str, Any] = {"architectures": [modules.table]}
    match modules.table:
        case "":
            read: Mapping[str, Any] = read_json(folder / "config.json")
            read = part_of(read, "text_config") if modules.towers else read
            return read, _tokenizer_settings(folder, _use(modules)), None
        case word_tables.BAG_OF_WORDS:
            listed = to_builtins(read_bag_of_words(folder))
            return config | listed, TokenizerSettings(), WordsFile(folder / "config.json")
        case word_tables.WORD_EMBEDDINGS:
            words = read_word_embeddings(folder)
            if isinstance(words, WordsFile):
                return config, TokenizerSettings(), words
            return config, TokenizerSettings(stated_tokens=words), None
        case word_tables.SPARSE_STATIC:
            content = read_json(folder / "config.json", missing_ok=True)
            typed(content, SparseStaticFile, "config.json")
    return config, TokenizerSettings(), None


def _multi_vector_model(folder: Path, modules: Modules) -> EmbedFiles:
    name = "config_sentence_transformers.json"
    content = read_json(folder / name, missing_ok=True)
    kind = content.get("model_type")
    if kind not in KINDS or (modules.mask is None and kind != PYLATE):
        raise PreconditionError(
            f"modules.json lists no Pooling, and {name} is not of a `{NATIVE}`, whose answers are vectors of tokens"
        )
    model = read_model_file(content, name)
    file, file_name = read_transformer_file(modules.encoder, ENCODES_TOKENS)
    steps = list(modules.token_steps)
    normalize = False
    while steps and steps[-1].kind == "Normalize":
        normalize = True
        steps.pop()
    prompts = prompts_of(model)
    default = model.default_prompt_name
    if default is not None and default not in prompts:
        raise PreconditionError(f"{name} names `{shown(default)}` as default prompt and has no such prompt")
    return EmbedFiles(
        transformer_folder=modules.encoder,
        config=read_json(modules.encoder / "config.json"),
        tokenizer=_tokenizer_settings(modules.encoder, ENCODES_TOKENS),
        token_steps=tuple(steps),
        normalize=normalize,
        prompts=prompts,
        default_prompt_name=default,
        marks=True,
        multi=read_multi_vectors(model, file, modules.mask, file_name),
    )


def _colbert_model(folder: Path, config: Mapping[str, Any]) -> EmbedFiles:
    multi, prompts = read_colbert(folder)
    return EmbedFiles(
        transformer_folder=folder,
        config=config,
        tokenizer=TokenizerSettings(plain=True),
        token_steps=(HeadStep(PROJECTION, folder, OF_TOKENS, OF_TOKENS),),
        normalize=True,
        prompts=prompts,
        marks=True,
        multi=multi,
    )


def _plain_model(folder: Path) -> EmbedFiles:
    config = read_json(folder / "config.json")
    if is_colbert(config):
        return _colbert_model(folder, config)
    if has_towers(config):
        return EmbedFiles(folder, part_of(config, "text_config"), TokenizerSettings(plain=True), towers=config)
    named = config.get("architectures")
    architecture = str(named[0]) if isinstance(named, list) and named else ""
    causal = architecture.endswith("ForCausalLM") and config.get("is_causal", True)
    return EmbedFiles(
        transformer_folder=folder,
        config=config,
        tokenizer=TokenizerSettings(plain=True),
        pooling_modes=("lasttoken",) if causal else ("mean",),
    )


def _use(modules: Modules) -> TransformerUse:
    """What is run of the transformer."""
    if modules.towers:
        return replace(COMPARES, is_default=modules.towers == CLIP)
    if modules.splade is None:
        return ENCODES
    return replace(FILLS_MASKS, default_task=FILLS_MASKS.task) if modules.is_masked else FILLS_MASKS


def _splade(folder: Path) -> str:
    file = read_typed(folder / "config.json", SpladeFile)
    return f"splade-{file.pooling_strategy}" + ("-log" if file.activation_function == "log1p_relu" else "")


def _tokenizer_settings(folder: Path, use: TransformerUse) -> TokenizerSettings:
    file, name = read_transformer_file(folder, use)
    return TokenizerSettings(
        arguments=tokenizer_arguments(file, name),
        stated_tokens=file.max_seq_length,
        call_tokens=call_max_tokens(file, name),
        lower_case=file.do_lower_case,
    )


def _model_file(folder: Path, wanted: str) -> ModelFile:
    name = "config_sentence_transformers.json"
    content = read_json(folder / name, missing_ok=True)
    file = typed(content, ModelFile, name)
    if content.get("model_type", wanted) != wanted:
        raise PreconditionError(f"{name} is of a `{shown(file.model_type)}`; its modules are those of a `{wanted}`")
    if wanted == _SPARSE and file.truncate_dim is not None:
        raise PreconditionError(f"{name} sets `truncate_dim`, which sparse vectors do not have")
    if wanted != _SPARSE and file.max_active_dims is not None:
        raise PreconditionError(f"{name} sets `max_active_dims`, which is of sparse vectors alone")
    default = file.default_prompt_name
    if default is not None and default not in file.prompts:
        raise PreconditionError(f"{name} names `{shown(default)}` as default prompt and has no such prompt")
    return file


def _pooling(folder: Path) -> tuple[tuple[str, ...], bool]:
    config = read_json(folder / "config.json", name=f"{folder.name}/config.json")
    flags = {key for key, value in config.items() if key.startswith("pooling_mode_") and value}
    unknown = sorted(flags - set(_POOLING_FLAGS))
    file = None if unknown else typed(config, PoolingFile, f"{folder.name}/config.json")
    stated = file.pooling_mode if file else None
    if stated is None:
        modes = tuple(mode for flag, mode in _POOLING_FLAGS.items() if config.get(flag)) or ("mean",)
    else:
        modes = (stated,) if isinstance(stated, str) else tuple(stated)
        unknown = [mode for mode in modes if mode not in POOLING_MODES]
    if unknown or not modes:
        listed = shown(", ".join(unknown))
        raise PreconditionError(f"the pooling mode `{listed}` is not one of {', '.join(POOLING_MODES)}")
    return modes, file.include_prompt if file else True
