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
_FOUR_BLOCKS: Values = {"num_encoder_blocks": 4}
#: Detectors after RT-DETR: what their backbones give, and their encoders.
_THREE_LEVELS: Values = {"encoder_in_channels": [32, 64, 128], "decoder_in_channels": [64, 64, 64]}
_SMALL_HGNET: Values = {
    "embedding_size": 16,
    "hidden_sizes": [16, 32, 64, 128],
    "stem_channels": [3, 16, 16],
    "stage_in_channels": [16, 16, 32, 64],
    "stage_mid_channels": [8, 8, 16, 32],
    "stage_out_channels": [16, 32, 64, 128],
    "stage_num_blocks": [1, 1, 1, 1],
    "stage_numb_of_layers": [2, 2, 2, 2],
}
_FOUR_STAGES: Values = {"num_hidden_layers": 4, "out_indices": [1, 2, 3, 4]}
_NECK: Values = {"neck_hidden_sizes": [8, 16, 32, 32]}
_HYBRID: Values = {
    "num_hidden_layers": 4,
    "layers_block_type": ["linear_attention", "hybrid", "linear_attention", "hybrid"],
    "hybrid_layer_ids": [1, 3],
    "attention_hidden_size": 128,
    "attention_head_dim": 32,
}
_TURNED: Values = {"rotary_dim": 8}

#: Types that need the same -> that.
_ALIKE: Mapping[tuple[str, ...], Values] = {
    ("conditional_detr", "dab-detr", "detr", "table-transformer"): _ON_RESNET_LAST,
    ("deformable_detr", "mm-grounding-dino"): _ON_RESNET,
    ("ministral", "hunyuan_v1_dense", "hunyuan_v1_moe", "nemotron"): _HEADS,
    ("gptj", "codegen"): _TURNED,
    ("wav2vec2-bert", "wav2vec2-conformer"): _SIGNS,
    ("swin", "swinv2", "donut-swin", "maskformer-swin"): _SMALL_WINDOWS,
    ("beit", "data2vec-vision"): _FOUR_STAGES,
    ("d_fine", "deimv2", "rt_detr", "rt_detr_v2", "pp_doclayout_v4"): _THREE_LEVELS,
    ("glpn", "poolformer", "pvt_v2", "segformer"): _FOUR_BLOCKS,
}

#: Type -> values; those of parts within their parts, and `...` for a value that is left out.
OVERRIDES: Mapping[str, Values] = {
    **{model_type: values for types, values in _ALIKE.items() for model_type in types},
    "align": {"vision_config": _SMALL_EFFICIENTNET, "projection_dim": 80},
    "aria": {
        "projector_patch_to_query_dict": {1: 1},
        "max_value_projector_patch_to_query_dict": 1,
        "image_token_index": 120,
    },
    "audio-spectrogram-transformer": {"max_length": 1024},
    "bamba": {"attn_layer_indices": [1], "mamba_n_heads": 8, "mamba_d_head": 16},
    "big_bird": {"sep_token_id": 2},
    "bit": {"embedding_size": 32, "hidden_sizes": [32, 32, 64, 64], "num_groups": 8},
    "blip-2": {"image_token_index": 120},
    "blt": {
        "encoder_hash_byte_group_vocab": 64,
        "encoder_config": {"hidden_size_global": 64},
        "decoder_config": {"hidden_size_global": 64},
    },
    "chameleon": {"vocabulary_map": {"<image>": 120, "IMGIMGA": 121}},
    "chmv2": {"backbone_config": _FOUR_STAGES},
    "cohere_compass_text": {
        "rope_parameters": {
            "full_attention": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}
        }
    },
    "cvt": {"embed_dim": [16, 32, 64], "num_heads": [1, 2, 4], "depth": [1, 2, 3]},
    "dbrx": {"attn_config": {"rope_theta": 10000.0, "kv_n_heads": 2, "clip_qkv": 8.0}},
    "deepseek_ocr2": {"text_config": {"mlp_layer_types": ["dense", "sparse"], "num_experts_per_tok": 2}},
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
    "dots3_note_text": {"layer_types": ["indexed_attention", "indexed_attention"]},
    "dpt": {**_NECK, "num_hidden_layers": 4, "backbone_out_indices": [0, 1, 2, 3]},
    "efficientnet": _SMALL_EFFICIENTNET,
    "emu3": {"vocabulary_map": {"<image>": 120, "<|extra_200|>": 121, "<|visual token 000000|>": 122}},
    "ernie4_5_vl_moe": {"text_config": {"mrope_section": [3, 3, 2]}},
    "esm": {"pad_token_id": 0, "vocab_size": 128, "position_embedding_type": "rotary", "mask_token_id": 4},
    "falcon_h1": {"mamba_d_ssm": 128, "mamba_n_heads": 8, "mamba_d_head": 16},
    "fast_vlm": {"vision_config": {"architecture": "fastvit_t8"}},
    "funnel": {"block_sizes": [1, 1], "block_repeats": [1, 1], "d_model": 64, "n_head": 4, "d_head": 16},
    "gemma3n": {"vision_config": {"architecture": "test_efficientnet"}},
    "gemma3n_text": {"num_kv_shared_layers": 0},
    "gemma3n_vision": {"architecture": "test_efficientnet", "pretrained_cfg": {"input_size": [3, 64, 64]}},
    "glm5_next": {"text_config": {"index_kpool": 2}},
    "granite4_vision": {"deepstack_layer_map": [[-1, 0]], "spatial_target_layers": [1], "downsample_rate": "1/1"},
    "granite_docling_vision": {"image_size": 64},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"]},
    "hgnet_v2": _SMALL_HGNET,
    "hunyuan_vl": {"text_config": _HEADS},
    "inkling2_text": {"swa_head_dim": 16, "unpadded_vocab_size": 128},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "num_experts": 2},
    "layoutlmv3": {"coordinate_size": 12, "shape_size": 8},
    "lfm2_moe": {"num_dense_layers": 1, "layer_types": ["conv", "full_attention"]},
    "lilt": {"hidden_size": 96},
    "lw_detr": {
        "backbone_config": {
            "image_size": 64,
            "num_hidden_layers": 4,
            "out_indices": [1, 2, 3, 4],
            "window_block_indices": [0, 1],
            "num_windows": 4,
            "num_windows_side": 2,
        },
        "projector_scale_factors": [1.0],
        "num_feature_levels": 1,
    },
    "mamba2": {"num_heads": 8, "head_dim": 16, "n_groups": 1},
    "mistral4": {"head_dim": 32},
    "mistral_large4": {"text_config": {"index_topk": 16}},
    "mobilevit": {"hidden_sizes": [16, 24, 32], "num_attention_heads": 4},
    "mobilevitv2": {"image_size": 64},
    "molmo2": {"adapter_config": {"vision_feature_layer": [1, 0]}},
    "muse_spark": {"audio_config": {"num_hidden_layers": 4}},
    "perceiver": {"qk_channels": 64, "v_channels": 64, "d_latents": 64, "d_model": 64},
    "perception_lm": {"vision_config": {"architecture": "test_vit", "model_args": {"embed_dim": 64}}},
    "pp_doclayout_v2": {**_THREE_LEVELS, "class_thresholds": [0.5, 0.5, 0.5], "class_order": [0, 1, 2]},
    "pp_doclayout_v3": {**_THREE_LEVELS, "x4_feat_dim": 16},
    "prompt_depth_anything": {**_NECK, "backbone_config": _FOUR_STAGES},
    "pvt": {**_FOUR_BLOCKS, "num_labels": 3},
    "qwen4_exp_text": {
        "indexer_n_heads": 4,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 16,
        "indexer_budget": 32,
        "indexer_compress_ratio": 2,
    },
    "reformer": {"axial_pos_embds_dim": [32, 32], "axial_pos_shape": [8, 16], "is_decoder": True},
    "rt_detr_resnet": {"embedding_size": 16},
    "sapiens2": {
        "num_key_value_heads_per_layer": [4, 4],
        "head_config": {
            "upsample_out_channels": [16, 16],
            "conv_out_channels": [16],
            "scale_conv_out_channels": [16],
            "scale_final_hidden_sizes": [16],
        },
    },
    "step3p7": {"text_config": {"sliding_window": 16}},
    "swin2sr": {**_SMALL_WINDOWS, "num_heads": [4] * 6},
    "textnet": {"stem_out_channels": 16},
    "timm_backbone": {"backbone": "test_resnet"},
    "timm_wrapper": {
        "architecture": "test_vit",
        "pretrained_cfg": {"input_size": [3, 64, 64]},
        "num_classes": 3,
        "label_names": ["cat", "dog", "fox"],
    },
    "tipsv2_dpt": {"backbone_config": _FOUR_STAGES},
    "vision-encoder-decoder": {"_alone": True, "encoder": {"model_type": "vit"}, "decoder": {"model_type": "gpt2"}},
    "whisper": {"max_source_positions": 1500},
    "xmod": {"languages": ["en_XX"], "default_language": "en_XX"},
    "zamba": _HYBRID,
    "zamba2": {**_HYBRID, "n_mamba_heads": 8, "mamba_headdim": 16},
}
