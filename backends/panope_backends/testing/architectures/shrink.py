"""A type's configuration, made small."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from panope_backends.testing.architectures.overrides import OVERRIDES
from panope_backends.testing.architectures.sizes import HEADS, IDS, WIDTH, sized

#: Of a saved configuration, what is said of where it came from.
_LEFT_OUT = frozenset(
    {
        "transformers_version",
        "architectures",
        "dtype",
        "torch_dtype",
        "model_type",
        "_name_or_path",
        "id2label",
        "label2id",
    }
    | {"num_labels", "problem_type", "return_dict", "output_hidden_states", "output_attentions", "is_decoder"}
)


def tiny_config(model_type: str, **changes: Any) -> Any:
    """A small configuration of a type of transformers'.

    Args:
        model_type: as transformers names it.
        changes: to single values, the last word.

    Raises:
        Exception: of whatever kind the type's own checks raise, where the small values break its rules.
    """
    from transformers import AutoConfig

    own = OVERRIDES.get(model_type, {})
    usual: Mapping[str, Any] = {} if own.get("_alone") else _usual(model_type)
    kept = {name: value for name, value in own.items() if not name.startswith("_alone")}
    made = AutoConfig.for_model(model_type, **_merged(usual, {**kept, **changes}))
    if hasattr(made, "vision_config") and hasattr(made, "text_config"):
        _turn_by_sections(made.text_config, own.get("text_config", {}).get("mrope_section"))
    return made


def _turn_by_sections(config: Any, sections: list[int] | None) -> None:
    """Positions in time, height and width each turn a part of a head, in types that tell them apart."""
    told = getattr(config, "rope_parameters", None)
    if not isinstance(told, dict) or "rope_type" not in told:
        return
    factor = told.get("partial_rotary_factor", getattr(config, "partial_rotary_factor", None)) or 1
    half = int(WIDTH // HEADS // 2 * factor)
    usual = [half - 2 * (half * 3 // 8), half * 3 // 8, half * 3 // 8]
    config.rope_parameters = {**told, "mrope_section": sections or usual}


def _usual(model_type: str) -> dict[str, Any]:
    from transformers import AutoConfig

    made = AutoConfig.for_model(model_type).to_dict()
    values = sized({name: value for name, value in made.items() if name not in _LEFT_OUT})
    return _with_ids({name: _part(value) for name, value in values.items()})


def _part(value: Any) -> Any:
    """A configuration within another: with what its own type needs, if it is one."""
    if not isinstance(value, Mapping):
        return value
    return _merged({name: _part(each) for name, each in value.items()}, OVERRIDES.get(value.get("model_type", ""), {}))


def _with_ids(values: dict[str, Any]) -> dict[str, Any]:
    """Of texts: which tokens begin, end and fill them, as all tiny tokenizers have them."""
    for part in (values, values.get("text_config"), values.get("decoder")):
        if isinstance(part, dict) and part.get("vocab_size"):
            part.update(IDS)
    if values.get("is_encoder_decoder"):
        values["decoder_start_token_id"] = 1
    return values


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """With the changes, those of parts within their parts; `...` leaves a value out."""
    made = dict(values)
    for name, value in changes.items():
        if value is ...:
            made.pop(name, None)
        elif isinstance(value, Mapping) and isinstance(made.get(name), Mapping):
            made[name] = _merged(made[name], value)
        else:
            made[name] = value
    return made
