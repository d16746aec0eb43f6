"""What single types need besides the rules by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Values = Mapping[str, Any]

_RESNET: Values = {
    "model_type": "resnet",
    "embedding_size": 8,
    "hidden_sizes": [8, 12, 16, 24],
    "depths": [1, 1, 1, 1],
    "layer_type": "basic",
    "out_features": ["stage2", "stage3", "stage4"],
}

#: Detectors whose usual backbone is one of timm's.
_ON_RESNET: Values = {
    "use_timm_backbone": False,
    "use_pretrained_backbone": False,
    "backbone": None,
    "backbone_kwargs": None,
    "backbone_config": _RESNET,
}
_ON_RESNET_LAST: Values = {**_ON_RESNET, "backbone_config": {**_RESNET, "out_features": ["stage4"]}}

_SMALL_EFFICIENTNET: Values = {
    "width_coefficient": 0.25,
    "depth_coefficient": 0.25,
    "hidden_dim": 320,
    "image_size": 64,
}
_SMALL_WINDOWS: Values = {"image_size": 64, "window_size": 2}
_HEADS: Values = {"num_key_value_heads": 2, "head_dim": 16}
_SIGNS: Values = {"vocab_size": 128}
_FOUR_STAGES: Values = {"num_hidden_layers": 4, "out_indices": [1, 2, 3, 4]}
_NECK: Values = {"neck_hidden_sizes": [8, 16, 32, 32]}
_TURNED: Values = {"rotary_dim": 8}

#: Types that need the same -> that.
_ALIKE: Mapping[tuple[str, ...], Values] = {
    ("conditional_detr", "dab-detr", "detr", "table-transformer"): _ON_RESNET_LAST,
    ("deformable_detr", "mm-grounding-dino"): _ON_RESNET,
    ("ministral", "hunyuan_v1_dense", "hunyuan_v1_moe", "nemotron"): _HEADS,
    ("gptj", "codegen"): _TURNED,
    ("wav2vec2-bert", "wav2vec2-conformer"): _SIGNS,
    ("swin", "swinv2", "donut-swin", "maskformer-swin", "swin2sr"): _SMALL_WINDOWS,
    ("beit", "data2vec-vision"): _FOUR_STAGES,
}

#: Type -> values; those of parts within their parts, and `...` for a value that is left out.
OVERRIDES: Mapping[str, Values] = {
    **{model_type: values for types, values in _ALIKE.items() for model_type in types},
    "align": {"vision_config": _SMALL_EFFICIENTNET},
    "bamba": {"attn_layer_indices": [1], "mamba_n_heads": 8, "mamba_d_head": 16},
    "bit": {"embedding_size": 32, "hidden_sizes": [32, 32, 64, 64], "num_groups": 8},
    "cvt": {"embed_dim": [16, 32, 64], "num_heads": [1, 2, 4], "depth": [1, 1, 1]},
    "dbrx": {"attn_config": {"rope_theta": 10000.0, "kv_n_heads": 2, "clip_qkv": 8.0}},
    "deepseek_v2": {"n_group": 2, "topk_group": 1, "num_experts_per_tok": 2},
    "depth_anything": {**_NECK, "backbone_config": _FOUR_STAGES},
    "dots1": {
        "num_experts_per_tok": 2,
        "n_group": 1,
        "topk_group": 1,
        "n_shared_experts": 1,
        "n_routed_experts": 4,
        "first_k_dense_replace": 1,
    },
    "dpt": {**_NECK, "num_hidden_layers": 4, "backbone_out_indices": [0, 1, 2, 3]},
    "efficientnet": _SMALL_EFFICIENTNET,
    "esm": {"pad_token_id": 0, "vocab_size": 128, "position_embedding_type": "rotary", "mask_token_id": 4},
    "falcon_h1": {"mamba_d_ssm": 128, "mamba_n_heads": 8, "mamba_d_head": 16},
    "funnel": {"block_sizes": [1, 1], "block_repeats": [1, 1], "d_model": 64, "n_head": 4, "d_head": 16},
    "gemma3n_text": {"num_kv_shared_layers": 0},
    "glm5_next": {"index_kpool": 2},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"]},
    "hunyuan_vl": {"text_config": _HEADS},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "num_experts": 2},
    "lfm2_moe": {"num_dense_layers": 1, "layer_types": ["conv", "full_attention"]},
    "lw_detr": {"backbone_config": {"image_size": 64}},
    "mamba2": {"num_heads": 8, "head_dim": 16, "n_groups": 1},
    "mobilevit": {"hidden_sizes": [16, 24, 32], "num_attention_heads": 4},
    "perceiver": {"qk_channels": 64, "v_channels": 64, "d_latents": 64, "d_model": 64},
    "reformer": {"axial_pos_embds_dim": [32, 32], "axial_pos_shape": [8, 16], "is_decoder": True},
    "xmod": {"languages": ["en_XX"], "default_language": "en_XX"},
    "zamba2": {"num_hidden_layers": 4, "layers_block_type": ["mamba", "hybrid", "mamba", "hybrid"]},
}
