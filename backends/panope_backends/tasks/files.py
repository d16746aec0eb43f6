"""What a model's folder says about embedding with it: sentence-transformers' files, read exactly.

    modules.json                        the steps: Transformer, Pooling, then any of Dense and Normalize
    sentence_bert_config.json           the longest text, lower case
    config_sentence_transformers.json   prompts
    N_Pooling/config.json               how token vectors become one vector
    config.json, tokenizer_config.json  limits and padding

A folder without modules.json is a plain transformers model: mean pooling, or the last token of a causal language model,
as sentence-transformers does. What these files ask for and Panope cannot do is refused by name when the model loads:
an embedding that is silently a little wrong is worse than none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from panope_backends.errors import PreconditionError

MODULES = ("Transformer", "Pooling", "Dense", "Normalize")
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

_SENTENCE_CONFIGS = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)

#: Model types that number positions from `pad_token_id` + 1, so that their last rows of positions are out of reach.
_POSITIONS_AFTER_PADDING = frozenset(
    {"camembert", "data2vec-text", "ibert", "longformer", "luke", "mpnet", "roberta", "roberta-prelayernorm"}
    | {"xlm-roberta", "xlm-roberta-xl", "xmod"}
)


@dataclass(frozen=True)
class HeadStep:
    """A step after pooling: `Dense` with its folder, or `Normalize`."""

    kind: str
    folder: Path


@dataclass(frozen=True)
class EmbedFiles:
    """How to embed with one model.

    Attributes:
        transformer_folder: holds the weights, config.json and the tokenizer.
        config: the parsed config.json.
        tokenizer_config: the parsed tokenizer_config.json, with what the module's own configuration overrides.
        max_tokens: of one text; None when no file sets a limit.
        lower_case: whether texts are put into lower case before the tokenizer's own rules.
        pooling_modes: one vector for each, joined in this order.
        pool_prompt: whether the prompt's tokens count when pooling.
        head: the steps after pooling, without a Normalize at their end.
        normalize: whether the steps end with Normalize.
        prompts: name to text.
        default_prompt_name: the prompt of requests that name none.
        default_dimensions: leading values to keep when a request does not say; None for all.
    """

    transformer_folder: Path
    config: Mapping[str, Any]
    tokenizer_config: Mapping[str, Any]
    max_tokens: int | None
    lower_case: bool = False
    pooling_modes: tuple[str, ...] = ("mean",)
    pool_prompt: bool = True
    head: tuple[HeadStep, ...] = ()
    normalize: bool = False
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt_name: str | None = None
    default_dimensions: int | None = None


def read_embed_files(folder: Path) -> EmbedFiles:
    """Reads a model's folder.

    Raises:
        PreconditionError: a file is missing or broken, or asks for what Panope cannot do; the message names it.
    """
    if not (folder / "modules.json").is_file():
        return _plain_model(folder)
    transformer, pooling, *rest = _modules(folder)
    modes, pool_prompt = _pooling(pooling.folder)
    normalize = False
    while rest and rest[-1].kind == "Normalize":
        normalize = True
        rest.pop()
    sentence_config = _sentence_config(transformer.folder)
    model_config = read_json(folder / "config_sentence_transformers.json", missing_ok=True)
    config, tokenizer_config = _transformer_configs(transformer.folder, sentence_config)
    prompts = {name: text or "" for name, text in (model_config.get("prompts") or {}).items()}
    default_prompt_name = model_config.get("default_prompt_name")
    if default_prompt_name is not None and default_prompt_name not in prompts:
        raise PreconditionError(
            f"config_sentence_transformers.json names `{default_prompt_name}` as default prompt and has no such prompt"
        )
    return EmbedFiles(
        transformer_folder=transformer.folder,
        config=config,
        tokenizer_config=tokenizer_config,
        max_tokens=_max_tokens(sentence_config.get("max_seq_length"), config, tokenizer_config),
        lower_case=bool(sentence_config.get("do_lower_case")),
        pooling_modes=modes,
        pool_prompt=pool_prompt,
        head=tuple(rest),
        normalize=normalize,
        prompts=prompts,
        default_prompt_name=default_prompt_name,
        default_dimensions=model_config.get("truncate_dim"),
    )


def read_json(path: Path, *, missing_ok: bool = False) -> dict[str, Any]:
    """A JSON object from a file; empty when the file is missing and may be.

    Raises:
        PreconditionError: there is no such file, or it holds no JSON object.
    """
    content = _read_json(path, missing_ok=missing_ok)
    if not isinstance(content, dict):
        raise PreconditionError(f"{path.name} does not hold a JSON object")
    return content


def _read_json(path: Path, *, missing_ok: bool) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if missing_ok:
            return {}
        raise PreconditionError(f"the model has no {path.name}") from None
    except (ValueError, OSError):
        raise PreconditionError(f"{path.name} is not valid JSON") from None


def _modules(folder: Path) -> list[HeadStep]:
    content = _read_json(folder / "modules.json", missing_ok=False)
    if not isinstance(content, list) or not all(isinstance(module, dict) for module in content):
        raise PreconditionError("modules.json does not hold a list of modules")
    steps = [_module(folder, module) for module in content]
    kinds = [step.kind for step in steps]
    if kinds[:2] != ["Transformer", "Pooling"] or {"Transformer", "Pooling"} & set(kinds[2:]):
        raise PreconditionError(
            f"modules.json lists {', '.join(kinds) or 'no module'}; "
            "Panope runs Transformer and Pooling, followed by Dense and Normalize"
        )
    return steps


def _module(folder: Path, module: Mapping[str, Any]) -> HeadStep:
    kind = str(module.get("type", ""))
    name = kind.rpartition(".")[2]
    # Releases have moved these classes between submodules; their own names stay.
    if not kind.startswith("sentence_transformers.") or name not in MODULES:
        raise PreconditionError(f"modules.json asks for the module `{kind}`; Panope runs {', '.join(MODULES)}")
    path = PurePosixPath(str(module.get("path", "")))
    if path.is_absolute() or ".." in path.parts:
        raise PreconditionError(f"modules.json places the module `{name}` outside the model")
    return HeadStep(name, folder / path)


def _pooling(folder: Path) -> tuple[tuple[str, ...], bool]:
    config = read_json(folder / "config.json")
    stated = config.get("pooling_mode")
    if stated is None:
        modes = tuple(mode for flag, mode in _POOLING_FLAGS.items() if config.get(flag)) or ("mean",)
        flags = {key for key, value in config.items() if key.startswith("pooling_mode_") and value}
        unknown = sorted(flags - set(_POOLING_FLAGS))
    else:
        modes = (stated,) if isinstance(stated, str) else tuple(stated)
        unknown = [str(mode) for mode in modes if mode not in POOLING_MODES]
    if unknown or not modes:
        raise PreconditionError(f"the pooling mode `{', '.join(unknown)}` is not one of {', '.join(POOLING_MODES)}")
    return modes, bool(config.get("include_prompt", True))


def _sentence_config(folder: Path) -> dict[str, Any]:
    for name in _SENTENCE_CONFIGS:
        config = read_json(folder / name, missing_ok=True)
        if config:
            _refuse_other_modalities(config, name)
            return config
    return {}


def _refuse_other_modalities(config: Mapping[str, Any], name: str) -> None:
    """Newer files say how each kind of input is run; only plain text through the encoder's last layer is."""
    modalities = config.get("modality_config")
    if modalities is not None:
        if "message" in modalities:
            raise PreconditionError(f"{name} asks for texts to be rendered as chat messages")
        output = modalities.get("text", {}).get("method_output_name", "none")
        if output != "last_hidden_state":
            raise PreconditionError(f"{name} asks for the output `{output}`; Panope pools `last_hidden_state`")
    if config.get("query_expansion"):
        raise PreconditionError(f"{name} asks for `query_expansion`")


def _transformer_configs(folder: Path, sentence_config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    config = read_json(folder / "config.json")
    tokenizer_config = read_json(folder / "tokenizer_config.json", missing_ok=True)
    overrides = sentence_config.get("processor_kwargs") or sentence_config.get("tokenizer_args") or {}
    return config, {**tokenizer_config, **overrides}


def _max_tokens(stated: int | None, config: Mapping[str, Any], tokenizer_config: Mapping[str, Any]) -> int | None:
    limits = [stated if stated is not None else tokenizer_config.get("model_max_length"), _positions(config)]
    # transformers writes "no limit" as a number of thirty digits.
    known = [int(limit) for limit in limits if limit is not None and 0 < limit < 1 << 31]
    return min(known) if known else None


def _positions(config: Mapping[str, Any]) -> int | None:
    """The positions that the model can tell apart; relative positions have no limit of their own."""
    positions = config.get("max_position_embeddings")
    if not isinstance(positions, int) or positions <= 0:
        return None
    if config.get("model_type") in _POSITIONS_AFTER_PADDING:
        positions -= int(config.get("pad_token_id") or 0) + 1
    return positions


def _plain_model(folder: Path) -> EmbedFiles:
    config, tokenizer_config = _transformer_configs(folder, {})
    architecture = (config.get("architectures") or [""])[0]
    causal = architecture.endswith("ForCausalLM") and config.get("is_causal", True)
    return EmbedFiles(
        transformer_folder=folder,
        config=config,
        tokenizer_config=tokenizer_config,
        max_tokens=_max_tokens(None, config, tokenizer_config),
        pooling_modes=("lasttoken",) if causal else ("mean",),
    )
