"""A case for each architecture, with the kind of tokenizer that its models have."""

from __future__ import annotations

from dataclasses import replace

from zoo_models.case import WIDTH, Case

_ROBERTA = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "type_vocab_size": 1}
_DECODER = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
_LLAMA = {"pad_token_id": 3, "bos_token_id": 1, "eos_token_id": 2, "num_key_value_heads": 2, "head_dim": 8}
_LAST = {"pooling": {"pooling_mode": "lasttoken"}, "modules": ("Pooling", "Normalize")}
_LEFT = {"padding_side": "left"}


def _encoders() -> list[Case]:
    names = "bert electra megatron-bert rembert ernie roformer nystromformer splinter roc_bert convbert yoso mra"
    cases = [Case(kind, kind) for kind in names.split()]
    cases += [
        Case("bert relative", sizes={"position_embedding_type": "relative_key"}),
        Case("distilbert", "distilbert", {"dim": WIDTH, "n_layers": 2, "n_heads": 4, "hidden_dim": 64}),
        Case("albert", "albert", {"embedding_size": 16}),
        Case("mobilebert", "mobilebert", {"embedding_size": 16, "intra_bottleneck_size": 16, "true_hidden_size": 16}),
        Case("squeezebert", "squeezebert", {"embedding_size": WIDTH}),
        Case("big_bird", "big_bird", {"block_size": 4, "num_random_blocks": 1}),
        Case(
            "big_bird, long texts",
            "big_bird",
            {"block_size": 4, "num_random_blocks": 1},
            files={"sentence_bert_config.json": {"max_seq_length": 64}},
            remembers=True,
        ),
        Case("big_bird full", "big_bird", {"attention_type": "original_full"}),
        Case("fnet", "fnet", {"tpu_short_seq_length": 80}),
        Case("layoutlm", "layoutlm"),
        Case("modernbert", "modernbert", {"hidden_size": 64, "global_attn_every_n_layers": 2, "local_attention": 8}),
        Case("nomic_bert", "nomic_bert", {"max_position_embeddings": 80}),
        Case("eurobert", "eurobert", {"num_key_value_heads": 4}),
        Case("esm", "esm", {"mask_token_id": 4, "position_embedding_type": "rotary"}),
        Case("longformer", "longformer", {**_ROBERTA, "attention_window": [8, 8]}, "byte-level"),
        Case("luke", "luke", {**_ROBERTA, "entity_vocab_size": 10, "entity_emb_size": 16}, "byte-level"),
        Case("jina", "jina_embeddings_v3", {"pad_token_id": 1}, "unigram"),
    ]
    for kind in ("roberta", "mpnet", "data2vec-text", "ibert", "roberta-prelayernorm"):
        cases.append(Case(kind, kind, _ROBERTA, "byte-level"))
    for kind in ("xlm-roberta", "camembert", "xlm-roberta-xl"):
        cases.append(Case(kind, kind, _ROBERTA, "unigram"))
    cases.append(Case("xmod", "xmod", {**_ROBERTA, "languages": ["en_XX"], "default_language": "en_XX"}, "unigram"))
    deberta = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "type_vocab_size": 0}
    cases += [
        Case("deberta", "deberta", {**deberta, "position_biased_input": False}, "byte-level"),
        Case("deberta-v2", "deberta-v2", {**deberta, "position_biased_input": False}, "unigram"),
        Case("deberta-v2 positions", "deberta-v2", {**deberta, "position_biased_input": True}, "unigram"),
    ]
    small = {"emb_dim": WIDTH, "n_layers": 2, "n_heads": 4, "d_model": WIDTH, "n_head": 4, "n_layer": 2, "d_inner": 64}
    cases += [Case(kind, kind, {**small, "pad_token_id": 1}, "unigram") for kind in ("xlm", "flaubert")]
    xlnet = {"max_position_embeddings": None, "pad_token_id": 1, "d_model": WIDTH, "n_head": 4, "n_layer": 2}
    cases.append(Case("xlnet", "xlnet", {**xlnet, "d_inner": 64, "d_head": 8, "hidden_size": None}, "unigram"))
    return cases


def _decoders() -> list[Case]:
    gpt2 = {**_DECODER, "n_embd": WIDTH, "n_layer": 2, "n_head": 4, "n_positions": 80, "n_inner": 64}
    open_ = {"closes": False}
    cases = [
        Case("gpt2", "gpt2", gpt2, "byte-level", open_, **_LAST),
        Case("gpt2 left", "gpt2", gpt2, "byte-level", {**open_, **_LEFT}, **_LAST),
        Case("gptj", "gptj", {**gpt2, "rotary_dim": 4}, "byte-level", open_, **_LAST),
        Case(
            "gpt_neo",
            "gpt_neo",
            {**_DECODER, "num_layers": 2, "attention_types": [[["global", "local"], 1]]},
            "byte-level",
            open_,
            **_LAST,
        ),
        Case("codegen left", "codegen", {**gpt2, "rotary_dim": 4}, "byte-level", {**open_, **_LEFT}, **_LAST),
        Case("bloom", "bloom", {**_DECODER, "n_layer": 2, "n_head": 4}, "byte-level", open_, **_LAST),
        Case("opt", "opt", {**_DECODER, "ffn_dim": 64, "word_embed_proj_dim": WIDTH}, "byte-level", open_, **_LAST),
        Case(
            "opt left",
            "opt",
            {**_DECODER, "ffn_dim": 64, "word_embed_proj_dim": WIDTH},
            "byte-level",
            {**open_, **_LEFT},
            **_LAST,
        ),
        Case("mpt", "mpt", {**_DECODER, "d_model": WIDTH, "n_heads": 4, "n_layers": 2}, "byte-level", open_, **_LAST),
        Case("falcon", "falcon", _DECODER, "byte-level", open_, **_LAST),
        Case("gpt_neox", "gpt_neox", _DECODER, "byte-level", open_, **_LAST),
        Case("phi left", "phi", _DECODER, "byte-level", {**open_, **_LEFT}, **_LAST),
        Case("mamba", "mamba", {**_DECODER, "state_size": 8}, "byte-level", open_, **_LAST),
    ]
    for kind in (
        "llama",
        "mistral",
        "qwen2",
        "qwen3",
        "gemma",
        "gemma2",
        "gemma3_text",
        "phi3",
        "olmo2",
        "stablelm",
        "starcoder2",
        "cohere",
        "granite",
        "smollm3",
        "glm",
        "exaone4",
        "ministral",
        "lfm2",
    ):
        cases += [Case(kind, kind, _LLAMA, "llama", _LEFT, **_LAST)]
    growing = {"rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 10}
    by_length = {"short_factor": [1.0] * 4, "long_factor": [3.0, 5.0, 7.0, 9.0]}
    cases += [
        Case(
            f"{kind} {name}",
            kind,
            {
                **_LLAMA,
                "max_position_embeddings": most,
                "original_max_position_embeddings": 10,  # where Phi-3 has it
                "rope_parameters": {"rope_type": name, **growing, **more},
            },
            "llama",
            side,
            remembers=True,
            **_LAST,
        )
        for kind, name, most, more, side in (
            ("llama", "dynamic", 10, {}, _LEFT),
            ("qwen3", "dynamic", 10, {}, {}),
            ("phi3", "longrope", 80, by_length, _LEFT),
            ("llama", "longrope", 80, by_length, {}),
            ("llama", "yarn", 80, {}, _LEFT),
        )
    ]
    cases.append(Case("qwen3 right mean", "qwen3", _LLAMA, "llama"))
    cases.append(Case("mistral sliding", "mistral", {**_LLAMA, "sliding_window": 6}, "llama", _LEFT, **_LAST))
    cases.append(Case("gemma3 bidirectional", "gemma3_text", {**_LLAMA, "use_bidirectional_attention": True}, "llama"))
    cases.append(
        Case("mixtral", "mixtral", {**_LLAMA, "num_local_experts": 4, "num_experts_per_tok": 2}, "llama", **_LAST)
    )
    return cases


def _encoder_decoders() -> list[Case]:
    t5 = {"d_model": WIDTH, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4, "eos_token_id": 1}
    cases = [
        Case(
            kind,
            kind,
            {**t5, "bos_token_id": None},
            "unigram",
            {"template": "$A </s>", "kind": "T5Tokenizer"},
        )
        for kind in ("t5", "mt5", "umt5")
    ]
    bart = {
        "d_model": WIDTH,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "encoder_ffn_dim": 64,
        "decoder_ffn_dim": 64,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        **_DECODER,
    }
    sentence_t5 = replace(cases[0], name="t5, dense, normalised", modules=("Pooling", "Dense", "Normalize"),
                          files={"2_Dense/config.json": {"activation_function": "torch.nn.Identity"}})  # fmt: skip
    return [*cases, sentence_t5, Case("bart", "bart", bart, "byte-level", refused=True)]


ARCHITECTURES = (*_encoders(), *_decoders(), *_encoder_decoders())
