"""Tiny pipelines of diffusers with seeded weights: as many parts as the real ones have, and hardly any numbers.

What they draw is noise, always the same. Needs `diffusers`, `transformers` and `torch`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

#: Sides of an image of theirs that nobody says.
SIDE = 64


def tiny_pipeline(folder: Path, kind: str = "stable-diffusion", seed: int = 0) -> Path:
    """Saves a pipeline in an empty folder, as diffusers saves one.

    Args:
        folder: made where it is not there.
        kind: one of `PIPELINES`.
        seed: of the weights.
    """
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    PIPELINES[kind](folder).save_pretrained(folder)
    return folder


def _stable_diffusion(folder: Path) -> Any:
    import diffusers

    tokenizer, encoder = _clip(folder, "tokenizer")
    return diffusers.StableDiffusionPipeline(
        vae=_vae(),
        text_encoder=encoder,
        tokenizer=tokenizer,
        unet=_unet(cross_attention_dim=8),
        scheduler=_ddim(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _checked_stable_diffusion(folder: Path) -> Any:
    """With a safety checker, which flags whatever it sees."""
    import torch
    from diffusers import StableDiffusionPipeline
    from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
    from transformers import CLIPConfig, CLIPImageProcessor

    size = {"hidden_size": 8, "intermediate_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2}
    vision = size | {"image_size": 30, "patch_size": 2, "projection_dim": 8}
    checker = StableDiffusionSafetyChecker(CLIPConfig(vision_config=vision, projection_dim=8))
    with torch.no_grad():
        checker.concept_embeds_weights.fill_(-2.0)  # each likeness is more than that
        checker.special_care_embeds_weights.fill_(2.0)
    parts = _stable_diffusion(folder).components
    images = CLIPImageProcessor(size={"shortest_edge": 30}, crop_size={"height": 30, "width": 30})
    return StableDiffusionPipeline(**parts | {"safety_checker": checker, "feature_extractor": images})


def _stable_diffusion_xl(folder: Path) -> Any:
    import diffusers

    tokenizer, encoder = _clip(folder, "tokenizer")
    second, projecting = _clip(folder, "tokenizer_2", projects=True)
    unet = _unet(
        cross_attention_dim=16,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 2),
        projection_class_embeddings_input_dim=6 * 8 + 8,
        use_linear_projection=True,
    )
    return diffusers.StableDiffusionXLPipeline(
        vae=_vae(),
        text_encoder=encoder,
        text_encoder_2=projecting,
        tokenizer=tokenizer,
        tokenizer_2=second,
        unet=unet,
        scheduler=diffusers.EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"),
    )


def _stable_diffusion_3(folder: Path) -> Any:
    import diffusers

    tokenizer, encoder = _clip(folder, "tokenizer", projects=True)
    second, other = _clip(folder, "tokenizer_2", projects=True)
    third, t5 = _t5(width=16)
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=SIDE // 2,
        patch_size=1,
        in_channels=16,
        num_layers=1,
        attention_head_dim=4,
        num_attention_heads=2,
        joint_attention_dim=16,
        caption_projection_dim=8,
        pooled_projection_dim=16,
        out_channels=16,
        pos_embed_max_size=SIDE // 2,
    )
    return diffusers.StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=_vae(
            latent_channels=16,
            use_quant_conv=False,
            use_post_quant_conv=False,
            shift_factor=0.0609,
            scaling_factor=1.5035,
        ),
        text_encoder=encoder,
        tokenizer=tokenizer,
        text_encoder_2=other,
        tokenizer_2=second,
        text_encoder_3=t5,
        tokenizer_3=third,
    )


def _flux(folder: Path) -> Any:
    import diffusers

    tokenizer, encoder = _clip(folder, "tokenizer")
    second, t5 = _t5(width=32)
    transformer = diffusers.FluxTransformer2DModel(
        patch_size=1,
        in_channels=4,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=8,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=True,
    )
    return diffusers.FluxPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        text_encoder=encoder,
        text_encoder_2=t5,
        tokenizer=tokenizer,
        tokenizer_2=second,
        transformer=transformer,
        vae=_vae(
            latent_channels=1, use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.0, scaling_factor=1.5
        ),
    )


def _pixart(folder: Path) -> Any:
    import diffusers

    del folder  # its tokenizer is T5's
    tokenizer, t5 = _t5(width=8)
    transformer = diffusers.PixArtTransformer2DModel(
        sample_size=SIDE // 2,
        num_layers=1,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=2,
        caption_channels=8,
        cross_attention_dim=16,
        in_channels=4,
        out_channels=8,
        attention_bias=True,
        activation_fn="gelu-approximate",
        num_embeds_ada_norm=1000,
        norm_type="ada_norm_single",
        norm_elementwise_affine=False,
        norm_eps=1e-6,
    )
    return diffusers.PixArtSigmaPipeline(
        transformer=transformer, vae=_vae(), scheduler=_ddim(), text_encoder=t5, tokenizer=tokenizer
    )


def _wan(folder: Path) -> Any:
    import diffusers

    del folder  # its tokenizer is T5's
    tokenizer, t5 = _t5(width=32, kind="UMT5")
    vae = diffusers.AutoencoderKLWan(
        base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )
    transformer = diffusers.WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=16,
        out_channels=16,
        text_dim=32,
        freq_dim=256,
        ffn_dim=32,
        num_layers=2,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
        rope_max_seq_len=128,
    )
    return diffusers.WanPipeline(
        transformer=transformer,
        vae=vae,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0),
        text_encoder=t5,
        tokenizer=tokenizer,
    )


def _wan_image(folder: Path) -> Any:
    """One that draws from an image alone, which it sees through CLIP too."""
    import diffusers
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

    text = _wan(folder)
    sizes = {"hidden_size": 4, "projection_dim": 4, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision = CLIPVisionConfig(**sizes, image_size=32, intermediate_size=16, patch_size=4)
    transformer = diffusers.WanTransformer3DModel.from_config(
        text.transformer.config, in_channels=36, image_dim=4, added_kv_proj_dim=24
    )
    return diffusers.WanImageToVideoPipeline(
        transformer=transformer,
        vae=text.vae,
        scheduler=text.scheduler,
        text_encoder=text.text_encoder,
        tokenizer=text.tokenizer,
        image_encoder=CLIPVisionModelWithProjection(vision),
        image_processor=CLIPImageProcessor(crop_size=32, size=32),
    )


def _ltx_image(folder: Path) -> Any:
    """As `ltx`, named after what draws from an image."""
    import diffusers

    return diffusers.LTXImageToVideoPipeline(**_ltx(folder).components)


def _ltx(folder: Path) -> Any:
    import diffusers

    del folder  # its tokenizer is T5's
    tokenizer, t5 = _t5(width=32)
    vae = diffusers.AutoencoderKLLTXVideo(
        in_channels=3,
        out_channels=3,
        latent_channels=8,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
        spatio_temporal_scaling=(True, True, True, False),
        decoder_spatio_temporal_scaling=(True, True, True, False),
        decoder_inject_noise=(False, False, False, False, False),
        upsample_residual=(False, False, False, False),
        upsample_factor=(1, 1, 1, 1),
        timestep_conditioning=False,
        patch_size=4,
        patch_size_t=1,
        encoder_causal=True,
        decoder_causal=False,
    )
    transformer = diffusers.LTXVideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        patch_size=1,
        patch_size_t=1,
        num_attention_heads=4,
        attention_head_dim=8,
        cross_attention_dim=32,
        num_layers=1,
        caption_channels=32,
    )
    return diffusers.LTXPipeline(
        transformer=transformer,
        vae=vae,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        text_encoder=t5,
        tokenizer=tokenizer,
    )


#: Makers by the names of their kinds; each is told where it may keep the files of its tokenizers.
PIPELINES: Mapping[str, Callable[[Path], Any]] = {
    "stable-diffusion": _stable_diffusion,
    "stable-diffusion-checked": _checked_stable_diffusion,
    "stable-diffusion-xl": _stable_diffusion_xl,
    "stable-diffusion-3": _stable_diffusion_3,
    "flux": _flux,
    "pixart": _pixart,
    "wan": _wan,
    "wan-image": _wan_image,
    "ltx": _ltx,
    "ltx-image": _ltx_image,
}


def _unet(**more: Any) -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        block_out_channels=(4, 8),
        layers_per_block=1,
        sample_size=SIDE // 2,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=2,
        norm_num_groups=2,
        **more,
    )


def _vae(latent_channels: int = 4, **more: Any) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=[4, 8],
        in_channels=3,
        out_channels=3,
        down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2,
        latent_channels=latent_channels,
        norm_num_groups=2,
        **more,
    )


def _ddim() -> Any:
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, steps_offset=1
    )


def _clip(folder: Path, name: str, *, projects: bool = False) -> tuple[Any, Any]:
    """A tokenizer of one token a byte, and an encoder of CLIP's."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    letters = sorted(ByteLevel.alphabet())
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    place = folder / name
    place.mkdir(exist_ok=True)
    (place / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (place / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(place / "vocab.json"), str(place / "merges.txt"), model_max_length=77)
    config = CLIPTextConfig(
        bos_token_id=len(words) - 2,
        eos_token_id=len(words) - 1,
        pad_token_id=len(words) - 1,
        hidden_size=8,
        intermediate_size=16,
        projection_dim=8,
        num_attention_heads=2,
        num_hidden_layers=2,
        vocab_size=len(words),
    )
    return tokenizer, (CLIPTextModelWithProjection if projects else CLIPTextModel)(config)


def _t5(width: int, kind: str = "T5") -> tuple[Any, Any]:
    """A tokenizer of one token a byte, and an encoder of T5's, or of `UMT5`."""
    import transformers
    from tokenizers.pre_tokenizers import ByteLevel

    words = ["<pad>", "</s>", "<unk>", "▁", *sorted(ByteLevel.alphabet())]
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(words), d_model=width, d_kv=8, d_ff=16, num_layers=1, num_heads=2, pad_token_id=0, eos_token_id=1
    )
    vocabulary = [(word, -float(number)) for number, word in enumerate(words)]
    tokenizer = transformers.T5Tokenizer(vocab=vocabulary, extra_ids=0)
    return tokenizer, getattr(transformers, f"{kind}EncoderModel")(config)
