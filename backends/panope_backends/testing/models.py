"""Small models for tests of backends, made on the spot, the same each time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from panope_backends.api import ModelFacts
from panope_backends.tasks.embed.files.config_files import read_embed_files
from panope_backends.tasks.embed.tokenizers.prepared import FILE, PreparedTokenizer, sources_digest
from panope_backends.tasks.generate.tokenizer.prepared import FILE as CHAT_FILE
from panope_backends.tasks.generate.tokenizer.prepared import LanguageTokens, PreparedChatTokenizer
from panope_backends.tasks.generate.tokenizer.prepared import sources_digest as chat_sources_digest
from panope_backends.tasks.kept_files import keep

VOCABULARY = 97


def tiny_onnx(folder: Path) -> ModelFacts:
    """Writes `model.onnx`: masked token vectors as `last_hidden_state`, and `length`. Needs the package `onnx`."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    vectors = np.random.default_rng(0).standard_normal((VOCABULARY, 16), dtype=np.float32)
    nodes = [
        helper.make_node("Gather", ["vectors", "input_ids"], ["gathered"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["column"]),
        helper.make_node("Mul", ["gathered", "column"], ["last_hidden_state"]),
        helper.make_node("ReduceSum", ["attention_mask", "last"], ["length"], keepdims=0),
    ]
    batch_tokens = ["batch", "tokens"]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(n, TensorProto.INT64, batch_tokens) for n in ("input_ids", "attention_mask")],
        [
            helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*batch_tokens, 16]),
            helper.make_tensor_value_info("length", TensorProto.INT64, ["batch"]),
        ],
        [numpy_helper.from_array(vectors, "vectors"), numpy_helper.from_array(np.array([-1]), "last")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, folder / "model.onnx")
    return ModelFacts("test/tiny-onnx", "onnx")


def tiny_gguf(folder: Path, precision: str = "f16", split_max_tensors: int = 0) -> ModelFacts:
    """Writes a seeded GGUF file of a llama's shape, one block, with a vocabulary. Needs the package `gguf`.

    Args:
        folder: where to.
        precision: of the matrices: `f32`, `f16` or `bf16`.
        split_max_tensors: in one file; 0 for one file.
    """
    import gguf

    random = np.random.default_rng(0)
    kind = gguf.GGMLQuantizationType[precision.upper()]
    writer = gguf.GGUFWriter(folder / f"tiny-{precision}.gguf", "llama", split_max_tensors=split_max_tensors)
    writer.add_name("tiny")
    writer.add_block_count(1)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32 if precision == "f32" else gguf.LlamaFileType.MOSTLY_F16)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([b"<s>", b"\xff", *(f"t{n}".encode() for n in range(VOCABULARY - 2))])
    writer.add_token_scores([float(n) for n in range(VOCABULARY)])
    matrices = {"token_embd": (VOCABULARY, 64), "blk.0.attn_q": (64, 64), "blk.0.ffn_up": (128, 64)}
    for name, shape in matrices.items():
        values = random.standard_normal(shape, dtype=np.float32)
        writer.add_tensor(f"{name}.weight", gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.add_tensor("blk.0.attn_norm.weight", random.standard_normal(64, dtype=np.float32))
    # A row that no block divides.
    writer.add_tensor("blk.0.odd.weight", random.standard_normal((64, 40), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return ModelFacts("test/tiny-gguf", "gguf", "generate", "llama")


def tiny_gguf_decoder(folder: Path, positions: int = 256) -> ModelFacts:
    """Writes a seeded GGUF file of a whole llama of two blocks, which llama.cpp runs. Needs the package `gguf`.

    Its tokens are three special ones, the 256 bytes and 253 words of which its answers are made.

    Args:
        folder: where to.
        positions: that it says to be trained for.
    """
    import gguf

    hidden, inner, heads, blocks, words = 64, 128, 4, 2, 253
    random = np.random.default_rng(1)
    writer = gguf.GGUFWriter(folder / "tiny-decoder.gguf", "llama")
    writer.add_name("tiny decoder")
    writer.add_context_length(positions)
    writer.add_embedding_length(hidden)
    writer.add_block_count(blocks)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(hidden // heads)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    kinds = gguf.TokenType
    writer.add_tokenizer_model("llama")
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    writer.add_token_list([*special, *(f"▁w{number}" for number in range(words))])
    writer.add_token_scores([0.0] * (259 + words))
    writer.add_token_types([kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL, *[kinds.BYTE] * 256, *[kinds.NORMAL] * words])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)
    shapes = {"token_embd": (259 + words, hidden), "output": (259 + words, hidden), "output_norm": (hidden,)}
    for block in range(blocks):
        attention = dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), (hidden, hidden))
        feed = {"ffn_gate": (inner, hidden), "ffn_up": (inner, hidden), "ffn_down": (hidden, inner)}
        norms = dict.fromkeys(("attn_norm", "ffn_norm"), (hidden,))
        shapes |= {f"blk.{block}.{name}": shape for name, shape in (attention | feed | norms).items()}
    for name, shape in shapes.items():
        values = random.standard_normal(shape, dtype=np.float32)
        scale = 1.0 if len(shape) == 1 else 2.0 * shape[-1] ** -0.5
        if name == "output":
            values[:259] = 0
        writer.add_tensor(f"{name}.weight", values * np.float32(scale))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return ModelFacts("test/tiny-gguf-decoder", "gguf", "generate", "llama")


ENCODER_WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] a man is eating food river engine window quiet copper . , the".split()


def tiny_gguf_encoder(
    folder: Path, pooling: int | None = 1, positions: int = 64
) -> tuple[ModelFacts, Mapping[str, np.ndarray[Any, Any]]]:
    """Writes a seeded GGUF file of a BERT of two blocks, which llama.cpp runs. Needs the package `gguf`.

    Args:
        folder: where to.
        pooling: llama.cpp's number: 0 none, 1 mean, 2 first, 3 last, 4 a score; None for a file that names none.
        positions: tokens of one text.

    Returns:
        What it is, and its weights by GGUF's names.
    """
    import gguf

    width, inner, blocks, words = 64, 128, 2, ENCODER_WORDS
    random = np.random.default_rng(2)
    writer = gguf.GGUFWriter(folder / "tiny-encoder.gguf", "bert")
    writer.add_name("tiny encoder")
    writer.add_context_length(positions)
    writer.add_embedding_length(width)
    writer.add_block_count(blocks)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(4)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    if pooling is not None:
        writer.add_pooling_type(gguf.PoolingType(pooling))
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([word if word.startswith("[") else f"▁{word}" for word in words])
    writer.add_token_types([3 if word.startswith("[") else 1 for word in words])
    writer.add_token_type_count(2)
    for add, word in (
        (writer.add_pad_token_id, "[PAD]"),
        (writer.add_unk_token_id, "[UNK]"),
        (writer.add_bos_token_id, "[CLS]"),
        (writer.add_eos_token_id, "[SEP]"),
        (writer.add_sep_token_id, "[SEP]"),
    ):
        add(words.index(word))
    shapes: dict[str, tuple[int, ...]] = {"token_embd": (len(words), width), "position_embd": (positions, width)}
    shapes |= {"token_types": (2, width), "token_embd_norm": (width,)}
    for block in range(blocks):
        made = dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), (width, width))
        made |= {"ffn_up": (inner, width), "ffn_down": (width, inner)}
        norms = dict.fromkeys(("attn_output_norm", "layer_output_norm"), (width,))
        shapes |= {f"blk.{block}.{name}": shape for name, shape in (made | norms).items()}
    if pooling == gguf.PoolingType.RANK:
        shapes |= {"cls": (width, width), "cls.output": (1, width)}
    weights: dict[str, np.ndarray[Any, Any]] = {}
    for name, shape in shapes.items():
        scale = np.float32(0.5 if "token" in name or "position" in name else 0.2)
        weights[f"{name}.weight"] = random.standard_normal(shape, dtype=np.float32) * scale + (len(shape) == 1)
        if not name.endswith(("token_embd", "position_embd", "token_types")):
            weights[f"{name}.bias"] = random.standard_normal(shape[:1], dtype=np.float32) * np.float32(0.1)
    for name, values in weights.items():
        writer.add_tensor(name, values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return ModelFacts("test/tiny-gguf-encoder", "gguf", "rerank" if pooling == 4 else "embed", "bert"), weights


def tiny_transformer(folder: Path, kind: str = "bert", **changes: Any) -> ModelFacts:
    """Writes a seeded model of any transformers type that AutoModel knows, as safetensors. Needs transformers.

    Args:
        folder: where to.
        kind: transformers' `model_type`.
        changes: to its configuration.
    """
    import torch
    from transformers import AutoConfig, AutoModel

    sizes: Mapping[str, Any] = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    config = AutoConfig.for_model(kind, **(dict(sizes) | changes))
    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(folder)
    parsed = json.loads((folder / "config.json").read_text())
    return ModelFacts(f"test/tiny-{kind}", "safetensors", "embed", parsed["architectures"][0], parsed)


#: What tiny classifiers do, by transformers' auto classes.
_HEADS = {
    "classify": "AutoModelForSequenceClassification",
    "rerank": "AutoModelForSequenceClassification",
    "token-classify": "AutoModelForTokenClassification",
    "question-answer": "AutoModelForQuestionAnswering",
    "fill-mask": "AutoModelForMaskedLM",
}
WORDS = "the a fox dog river bank house quiet brown quick runs sleeps in over lives Ada Lovelace London loves who is"


def tiny_classifier(folder: Path, task: str, labels: Sequence[str], **changes: Any) -> ModelFacts:
    """Writes a seeded BERT with a head and a tokenizer of words, as safetensors. Needs transformers.

    Args:
        folder: where to.
        task: `classify`, `rerank`, `token-classify`, `question-answer` or `fill-mask`.
        labels: by their ids; for the last two any number, as they have none.
        changes: to its configuration.
    """
    import torch
    import transformers

    vocabulary = word_tokenizer(folder, 64)
    named = {"id2label": dict(enumerate(labels)), "label2id": {label: index for index, label in enumerate(labels)}}
    sizes: Mapping[str, Any] = {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
        "initializer_range": 0.4,
        **named,
    }
    config = transformers.AutoConfig.for_model("bert", **(dict(sizes) | changes))
    torch.manual_seed(0)
    getattr(transformers, _HEADS[task]).from_config(config).save_pretrained(folder)
    parsed = json.loads((folder / "config.json").read_text())
    return ModelFacts(f"test/tiny-{task}", "safetensors", task, parsed["architectures"][0], parsed)


def word_tokenizer(folder: Path, max_tokens: int) -> int:
    """Writes a tokenizer of words; how many it knows.

    Args:
        folder: where to.
        max_tokens: of one text.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = {word: index for index, word in enumerate([*special, *WORDS.split(), ".", ","])}
    tokenizer = Tokenizer(models.WordPiece(words, unk_token="[UNK]"))  # noqa: S106 - no password
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", [("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    marks = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    names = {f"{mark}_token": token for mark, token in marks.items()}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": max_tokens, **names}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return len(words)


def keep_tokenizer(folder: Path, max_tokens: int) -> None:
    """Keeps tokenizer.json as it is beside a model, whose worker then needs no transformers to start.

    Args:
        folder: of the model, complete.
        max_tokens: of one text.
    """
    content = (folder / "tokenizer.json").read_bytes()
    special = [token["id"] for token in json.loads(content)["added_tokens"] if token["special"]]
    prepared = PreparedTokenizer(
        made_of=sources_digest(read_embed_files(folder)),
        made_by="",
        tokenizer=msgspec.Raw(content),
        pad_id=0,
        padding_side="right",
        special_ids=special,
        splits_special_tokens=False,
        gives_token_types=True,
        max_tokens=max_tokens,
    )
    keep(prepared, folder / FILE)


def keep_chat_tokenizer(
    folder: Path,
    special_tokens: Mapping[str, str],
    chat_template: str = "",
    languages: Mapping[str, LanguageTokens] | None = None,
) -> None:
    """Keeps tokenizer.json as it is beside a model that generates, with a chat template.

    Args:
        folder: of the model, complete.
        special_tokens: by their names in templates.
        chat_template: empty for none.
        languages: that a text may be said to be in, by name.
    """
    prepared = PreparedChatTokenizer(
        made_of=chat_sources_digest(folder),
        made_by="",
        tokenizer=msgspec.Raw((folder / "tokenizer.json").read_bytes()),
        splits_special_tokens=False,
        special_tokens=dict(special_tokens),
        chat_templates={"default": chat_template} if chat_template else {},
        languages=dict(languages or {}),
    )
    keep(prepared, folder / CHAT_FILE)
