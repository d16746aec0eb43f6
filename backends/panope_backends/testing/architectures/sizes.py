"""How large the values of a configuration become, by what they are called.

Widths are all alike, so that parts that must fit together do: a vision tower beside its decoder, a head on its trunk.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

VOCABULARY = 128
WIDTH = 64
HEADS = 4
LAYERS = 2
POSITIONS = 128
SIDE = 32
"""Pixels of an image's side."""

IDS: Mapping[str, int] = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
"""Of the tokens that fill, begin and end texts."""

#: Names of values, and what they become; the first that fits counts.
_RULES: Sequence[tuple[str, int]] = (
    (r"vocab(ulary)?_size(_per_layer_input)?|num_embeddings", VOCABULARY),
    (
        r"(global_)?head_dim|attention_head_size|d_kv|kv_channels|d_head|v_head_dim|qk_(nope|rope)_head_dim",
        WIDTH // HEADS,
    ),
    (r"qk_head_dim", 2 * WIDTH // HEADS),
    (r"linear_(key|value)_head_dim|index_head_dim|mamba_d_head|mamba_head_dim", WIDTH // HEADS),
    (r"linear_num_(key|value)_heads", HEADS),
    (r"mamba_n_heads|mamba_num_heads", 2 * HEADS),
    (r".*moe.*intermediate_size|expert_.*size|.*expert.*intermediate_size|moe_ffn_.*|.*expert_hidden_.*", WIDTH // 2),
    (
        "|".join(
            (
                r".*intermediate_(size|dim)|.*ffn_(dim|hidden_size|hidden_dim|hidden_dims)|d_ff|d_inner|.*dim_feedforward|mlp_dim",
                r"inner_size|inner_dim|ffn_inner_.*|.*feed_forward_(size|dim|proj_dim)|.*filter_size|mamba_d_ssm",
            )
        ),
        2 * WIDTH,
    ),
    (r".*lora_rank|.*_rank|.*_low_rank_dim", WIDTH // HEADS),
    (r".*(attention_heads|n_heads?|num_heads|_heads|num_head)", HEADS),
    (r"(num|n)_.*layers?|n_layers?|.*_layers|depth|num_.*blocks|layers|block_num|num_scales_layers", LAYERS),
    (r"(num|n)_.*experts|moe_num_experts|.*num_experts|num_local_experts|n_experts", 4),
    (
        "|".join(
            (
                r"max_(position|seq|source|target|sequence|encoder_position|decoder_position|2d_position).*|n_positions|n_ctx",
                r"max_len(gth)?|context_length|max_positions|.*max_position_embeddings|max_patches|tokens_per_.*|max_time",
            )
        ),
        POSITIONS,
    ),
    (r"(input_)?(image|img|input|crop|tile|target|vision)_(size|resolution|height|width)", SIDE),
    (r".*(state_size|d_state|ssm_state_size)", 16),
    (r"chunk_size|mamba_chunk_size|sliding_window(_size)?|local_attention|attention_window|window|index_topk", 16),
    (r"window_size", 4),
    (
        "|".join(
            (
                r".*(hidden_size|hidden_dim|d_model|n_embd|embed_dim|emb_dim|embedding_size|embedding_dim|embeddings_dim|width",
                r"projection_dim|projection_size|output_dim|embed_proj_dim|channels|_dim|dim|_size)",
            )
        ),
        WIDTH,
    ),
    (r"num_queries|num_.*queries|num_query_tokens|.*num_latents|resampler_n_latents", 8),
    (r"num_patches|num_image_tokens|.*seq_length|.*image_token_num", 16),
)

_KV_HEADS = re.compile(r".*(key_value_heads|kv_heads|query_group_num|n_head_kv|kv_head)")
_PER_TOKEN = re.compile(
    r".*(experts_per_tok(en)?|top_?k(_experts)?|experts_per_token|num_selected_experts|moe_k|moe_topk)"
)
_TOKEN = re.compile(r".*(token|start|end|pad|bos|eos|cls|sep|mask)_(id|index|token_id|idx)")
_KEPT = re.compile(
    r".*(patch|kernel|stride|num_channels|conv_kernel|window_stride|expand|period|offset|factor|ratio|num_mel|rate|groups"
    r"|merge|type_vocab_size|group_size|bits|num_labels|_every|interval|num_choices|mel_bins|in_chans|hop|n_fft"
    r"|temporal|fps|pooling|squeeze|num_spks|in_channels|input_channels|scale|levels|_points|num_classes|shared_experts"
    r"|max_bucket|num_feat_extract_layers|conv_bias|relative_attention_num_buckets|n_group|buckets|num_feature_levels|stem|frames|upsample|num_key_value_groups).*"
)
#: Of decoders, what single layers have, by their numbers.
_LEFT_OUT = ("per_layer_config",)

#: Of backbones, the stages that they give: as many as before, or those of layers that are there no more.
_STAGES = ("stage_names", "out_features", "out_indices", "_out_features", "_out_indices")
_STAGED = ("depths", "stage_out_channels", "layers", "stage_num_blocks")


def sized(values: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration's values, small; parts of it that are configurations themselves too."""
    gone = _LEFT_OUT if any(isinstance(values.get(name), list | tuple) for name in _STAGED) else (*_LEFT_OUT, *_STAGES)
    return {name: _sized(str(name), value, values) for name, value in values.items() if name not in gone}


def _sized(name: str, value: Any, beside: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        return sized(value) if name not in ("id2label", "label2id") else value
    if isinstance(value, list | tuple):
        return _listed(name, list(value), beside)
    if type(value) is not int:
        return value
    return _number(name, value, beside)


def _number(name: str, value: int, beside: Mapping[str, Any]) -> int:
    if _TOKEN.fullmatch(name):
        return _token(name, value)
    if _KV_HEADS.fullmatch(name):
        return _kv_heads(value, beside)
    if _PER_TOKEN.fullmatch(name) or name in ("n_group", "num_expert_group", "n_groups_moe", "num_expert_groups"):
        return min(value, 2)
    if name in ("topk_group", "num_limited_groups", "topk_groups"):
        return min(value, 1)
    if _KEPT.fullmatch(name):
        return value
    for pattern, size in _RULES:
        if re.fullmatch(pattern, name):
            return min(value, size) if value >= 0 else value
    return value


def _token(name: str, value: int) -> int:
    if name in IDS and value >= 0:
        return IDS[name]
    return value if value < VOCABULARY else VOCABULARY - 1 - sum(map(ord, name)) % 32


def _kv_heads(value: int, beside: Mapping[str, Any]) -> int:
    heads = next((each for name, each in beside.items() if re.fullmatch(r".*(attention_heads|n_heads?|num_heads)", name)
                  and type(each) is int), value)  # fmt: skip
    if value == 1:
        return 1
    return HEADS if value >= heads else HEADS // 2


def _listed(name: str, values: list[Any], beside: Mapping[str, Any]) -> list[Any]:
    if "section" in name and values and all(type(each) is int for each in values):
        return _sections(values, beside)
    if values and all(isinstance(each, Mapping) for each in values):
        return [sized(each) for each in values]
    if values and all(type(each) is int for each in values):
        return _numbers(name, values, beside)
    is_of_layers = len(values) in _depths(beside) or "layer_types" in name
    if is_of_layers and len(values) > LAYERS and all(isinstance(each, str | bool | float) for each in values):
        return _varied(values)
    return values


def _numbers(name: str, values: list[int], beside: Mapping[str, Any]) -> list[Any]:
    if re.fullmatch(r".*depths?|.*layers_per_stage|num_blocks|layers", name):
        return [1] * len(values)
    if re.fullmatch(
        r".*(hidden_sizes|embed_dims?|widths|encoder_hidden_sizes|_channels|channels|dims|layer_dims)", name
    ):
        least = min(each for each in values if each > 0) if any(each > 0 for each in values) else 1
        return [max(8, each * 16 // least // 8 * 8) if max(values) > 16 else each for each in values]
    if len(values) in _depths(beside) and len(values) > 5 and not _KEPT.fullmatch(name) and "conv" not in name:
        return _varied(values)
    if "heads" in name:
        return [1 << (each.bit_length() - 1) for each in values]
    if "conv_dim" in name:
        return [WIDTH // 2] * len(values)
    if _KEPT.fullmatch(name) or "kernel" in name or ("size" in name and max(values) <= SIDE):
        return values
    if re.fullmatch(r"(image|img|input)_size", name):
        return [min(each, SIDE) for each in values]
    return _varied(values) if len(values) in _depths(beside) and len(values) > LAYERS else values


def _depths(beside: Mapping[str, Any]) -> set[int]:
    return {each for name, each in beside.items() if type(each) is int and ("layer" in name or name == "depth")}


def _varied(values: list[Any]) -> list[Any]:
    """Two of them, of two kinds where there are two."""
    other = next((each for each in values if each != values[0]), values[0])
    return [values[0], other]


def _sections(values: Sequence[int], beside: Mapping[str, Any]) -> list[int]:
    """Of rotary positions: parts of half a head, or of what of it is turned."""
    whole = int(WIDTH // HEADS // 2 * float(beside.get("partial_rotary_factor") or 1))
    parts = [max(1, whole * each // sum(values)) for each in values]
    parts[-1] += whole - sum(parts)
    return parts
