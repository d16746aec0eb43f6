from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from panope_backends.errors import PreconditionError
from panope_backends.tasks.embed.files.config_files import read_embed_files
from panope_backends.tasks.embed.files.modules_file import HeadStep
from panope_backends.tasks.embed.head import load_head

Write = Callable[..., Path]


def module(kind: str, path: str = "") -> dict[str, object]:
    return {"idx": 0, "name": "0", "path": path, "type": kind}


TRANSFORMER = module("sentence_transformers.models.Transformer")
POOLING = module("sentence_transformers.models.Pooling", "1_Pooling")
NORMALIZE = module("sentence_transformers.models.Normalize", "2_Normalize")
DENSE = module("sentence_transformers.models.Dense", "2_Dense")


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ([TRANSFORMER, POOLING, module("my_code.Magic")], "the module `my_code.Magic`"),
        (
            [TRANSFORMER, POOLING, module("sentence_transformers.models.Magic")],
            "the module `sentence_transformers.models.Magic`; Panope runs Transformer, StaticEmbedding, BoW",
        ),
        ([module("transformers.models.Transformer"), POOLING], "the module `transformers.models.Transformer`"),
        (
            [TRANSFORMER, module("sentence_transformers.models.LSTM"), POOLING],
            "lists Transformer, LSTM, Pooling; Panope",
        ),
        ([module("sentence_transformers.models.WordEmbeddings")], "lists WordEmbeddings; Panope"),
        ([TRANSFORMER], "lists Transformer; Panope runs Transformer and Pooling"),
        ([POOLING, TRANSFORMER], "lists Pooling, Transformer"),
        ([], "lists no module"),
        ([TRANSFORMER, POOLING, POOLING], "lists Transformer, Pooling, Pooling"),
        ({}, "does not hold a list"),
        ([TRANSFORMER, module("sentence_transformers.models.Pooling", "../1_Pooling")], "outside the model"),
        ([TRANSFORMER, module("sentence_transformers.models.Pooling", "/etc")], "outside the model"),
    ],
)
def test_modules_that_panope_does_not_run_are_refused_by_name(
    sentence_model: Write, modules: object, message: str
) -> None:
    with pytest.raises(PreconditionError, match=message):
        read_embed_files(sentence_model({"modules.json": modules}))


def test_modules_are_known_by_their_newer_places_too(sentence_model: Write) -> None:
    modules = [
        module("sentence_transformers.base.modules.transformer.Transformer"),
        module("sentence_transformers.sentence_transformer.modules.pooling.Pooling", "1_Pooling"),
        module("sentence_transformers.base.modules.normalize.Normalize", "2_Normalize"),
    ]
    assert read_embed_files(sentence_model({"modules.json": modules})).normalize


def test_normalize_counts_as_the_default_only_at_the_end(sentence_model: Write) -> None:
    folder = sentence_model({"modules.json": [TRANSFORMER, POOLING, NORMALIZE, DENSE]})
    files = read_embed_files(folder)
    assert not files.normalize
    assert files.head == (HeadStep("Normalize", folder / "2_Normalize"), HeadStep("Dense", folder / "2_Dense"))


@pytest.mark.parametrize(
    ("pooling", "message"),
    [
        ({"pooling_mode": "median"}, "the pooling mode `median`"),
        ({"pooling_mode": ["mean", "median"]}, "the pooling mode `median`"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_splade": True}, "the pooling mode `pooling_mode_splade`"),
    ],
)
def test_unknown_pooling_modes_are_refused_by_name(
    sentence_model: Write, pooling: dict[str, object], message: str
) -> None:
    with pytest.raises(PreconditionError, match=message):
        read_embed_files(sentence_model({"1_Pooling/config.json": pooling}))


def test_without_any_flag_pooling_is_mean(sentence_model: Write) -> None:
    files = read_embed_files(sentence_model({"1_Pooling/config.json": {"pooling_mode_cls_token": False}}))
    assert files.pooling_modes == ("mean",)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"modality_config": {"text": {"method": "forward", "method_output_name": "pooler_output"}}},
            "the output `pooler_output`",
        ),
        ({"modality_config": {"image": {}}}, "the output `none`"),
        (
            {"modality_config": {"text": {"method_output_name": "last_hidden_state"}, "message": {}}},
            "rendered as chat messages",
        ),
        ({"query_expansion": {"length": 32}}, "query_expansion"),
    ],
)
def test_inputs_that_are_not_plain_text_are_refused_by_name(
    sentence_model: Write, config: dict[str, object], message: str
) -> None:
    with pytest.raises(PreconditionError, match=message):
        read_embed_files(sentence_model({"sentence_bert_config.json": config}))


def test_a_causal_language_model_without_files_gives_its_last_token(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["Qwen3ForCausalLM"]}))
    assert read_embed_files(tmp_path).pooling_modes == ("lasttoken",)


def test_a_default_prompt_that_does_not_exist_is_refused(sentence_model: Write) -> None:
    config = {"prompts": {"query": "q: "}, "default_prompt_name": "passage"}
    with pytest.raises(PreconditionError, match="names `passage` as default prompt"):
        read_embed_files(sentence_model({"config_sentence_transformers.json": config}))


@pytest.mark.parametrize("content", ["{", "[]", "\xff"])
def test_a_broken_config_is_refused_by_its_name_and_without_its_place(sentence_model: Write, content: str) -> None:
    folder = sentence_model()
    (folder / "config.json").write_text(content, encoding="latin-1")
    with pytest.raises(PreconditionError, match=r"^config\.json (is not valid JSON|does not hold a JSON object)$"):
        read_embed_files(folder)


BERT = "sentence_bert_config.json"
MODEL = "config_sentence_transformers.json"


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (BERT, {"pooling": "cls"}, "sentence_bert_config.json sets `pooling`"),
        (BERT, {"transformer_task": "fill-mask"}, "sets `transformer_task` to `fill-mask`; Panope runs"),
        (BERT, {"module_output_name": "sentence_embedding"}, "sets `module_output_name` to `sentence_embedding`"),
        (BERT, {"query_length": 8}, "sets `query_length` to `8`"),
        (BERT, {"document_length": 8}, "sets `document_length` to `8`"),
        (BERT, {"tokenizer_name_or_path": "other/repo"}, "sets `tokenizer_name_or_path` to `other/repo`"),
        (BERT, {"model_args": {"num_labels": 3}}, "sets `model_args.num_labels`"),
        (BERT, {"config_kwargs": {"num_hidden_layers": 1}}, "sets `config_kwargs.num_hidden_layers`"),
        (BERT, {"tokenizer_args": {"vocab_file": "/etc/words"}}, "sets `tokenizer_args.vocab_file`"),
        (BERT, {"processing_kwargs": {"texts": {}}}, "sets `texts`"),
        (BERT, {"processing_kwargs": {"text": {"add_special_tokens": False}}}, "`processing_kwargs.text.add_special"),
        (
            BERT,
            {"processing_kwargs": {"text": {"truncation": False}}},
            "text.truncation` to `False`",
        ),
        (BERT, {"processing_kwargs": {"common": {"padding": "max_length"}}}, "`processing_kwargs.common.padding`"),
        (BERT, {"processing_kwargs": {"text": {"max_length": "8"}}}, "`processing_kwargs.text.max_length` to `8`"),
        (BERT, {"max_seq_length": "24"}, "wrong type for `max_seq_length`"),
        (BERT, {"max_seq_length": 0}, "wrong type for `max_seq_length`"),
        (
            BERT,
            {"modality_config": {"text": {"method": "encode", "method_output_name": "last_hidden_state"}}},
            "method `enc",
        ),
        (BERT, {"modality_config": {"text": {"method_output_name": ["hidden_states", 1]}}}, "asks for the output"),
        (
            MODEL,
            {"model_type": "SparseEncoder"},
            "is of a `SparseEncoder`; its modules are those of a `SentenceTransformer`",
        ),
        (MODEL, {"prompt": "query: "}, "config_sentence_transformers.json sets `prompt`"),
        (MODEL, {"prompts": ["query: "]}, "wrong type for `prompts`"),
        (MODEL, {"truncate_dim": 0}, "wrong type for `truncate_dim`"),
        ("1_Pooling/config.json", {"layers": [1, 2]}, "1_Pooling/config.json sets `layers`"),
        ("1_Pooling/config.json", {"include_prompt": "no"}, "wrong type for `include_prompt`"),
        ("2_Normalize/config.json", {"p": 1}, "2_Normalize/config.json sets `p`"),
        ("2_Normalize/config.json", {"module_input_name": "token_embeddings"}, "`module_input_name` to `token_emb"),
        ("3_Dropout/config.json", {"inplace": True}, "3_Dropout/config.json sets `inplace`"),
        ("modules.json", [{**TRANSFORMER, "device": "cpu"}, POOLING], "modules.json sets `device`"),
    ],
)
def test_a_key_that_panope_does_not_honour_is_refused_by_its_file_and_name(
    sentence_model: Write, file: str, content: object, message: str
) -> None:
    dropout = module("sentence_transformers.models.Dropout", "3_Dropout")
    folder = sentence_model({"modules.json": [TRANSFORMER, POOLING, dropout, NORMALIZE], file: content})
    with pytest.raises(PreconditionError, match=message):
        read_embed_files(folder)


def test_keys_without_effect_are_let_be(sentence_model: Write) -> None:
    folder = sentence_model(
        {
            BERT: {
                "max_seq_length": None,
                "unpad_inputs": False,
                "model_kwargs": {"torch_dtype": "float16", "attn_implementation": "sdpa"},
                "config_args": {"trust_remote_code": True},
                "processor_kwargs": {"trust_remote_code": True, "use_fast": False},
                "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
                "module_output_name": "token_embeddings",
            },
            MODEL: {"__version__": {"transformers": "5"}, "similarity_fn_name": "dot", "requirements": {"torch": ">1"}},
        }
    )
    assert read_embed_files(folder).tokenizer.arguments == {}


@pytest.mark.parametrize(
    ("config", "stated", "called"),
    [
        ({"max_seq_length": 24}, 24, None),
        ({"max_seq_length": 24, "processing_kwargs": {"text": {"max_length": 8}}}, 24, 8),
        ({"processing_kwargs": {"text": {"max_length": 8}, "common": {"max_length": 6}}}, None, 6),
    ],
)
def test_the_longest_text_is_stated_by_the_module_or_by_its_call(
    sentence_model: Write, config: dict[str, object], stated: int | None, called: int | None
) -> None:
    settings = read_embed_files(sentence_model({BERT: config})).tokenizer
    assert (settings.stated_tokens, settings.call_tokens) == (stated, called)


def dense(folder: Path, **config: object) -> list[HeadStep]:
    settings = {"in_features": 4, "out_features": 2, "bias": False, **config}
    folder.joinpath("config.json").write_text(json.dumps(settings))
    return [HeadStep("Dense", folder)]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"activation_function": "os.system"}, "the activation `os.system`"),
        ({"activation_function": "torch.nn.modules.activation.Softmax"}, "Softmax`; Panope runs CELU, ELU, GELU"),
        ({"activation_function": "activation.Tanh"}, "the activation `activation.Tanh`"),
        ({"module_input_name": "token_embeddings"}, "module_input_name `token_embeddings`"),
    ],
)
def test_a_dense_step_that_panope_does_not_run_is_refused_by_name(
    tmp_path: Path, config: dict[str, object], message: str
) -> None:
    with pytest.raises(PreconditionError, match=message):
        load_head(dense(tmp_path, **config))


def test_dense_weights_in_a_pickle_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(PreconditionError, match=r"are pickled .*`grants\.pickles` does not list it"):
        load_head(dense(tmp_path))


def test_broken_dense_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(PreconditionError, match="is broken"):
        load_head(dense(tmp_path))


def test_dense_weights_without_a_matrix_are_refused(tmp_path: Path) -> None:
    save_file({"other": np.zeros(3, np.float32)}, tmp_path / "model.safetensors")
    with pytest.raises(PreconditionError, match=r"no `linear\.weight`"):
        load_head(dense(tmp_path))


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_dense_weights_of_other_precisions_compute_in_float32(tmp_path: Path, dtype: str) -> None:
    import torch
    from safetensors.torch import save_file as save_torch

    weight = torch.tensor([[1.0, 2.0, -0.5, 0.25], [0.0, -1.0, 4.0, 8.0]])
    save_torch({"linear.weight": weight.to(getattr(torch, dtype))}, tmp_path / "model.safetensors")
    (step,) = load_head(dense(tmp_path, activation_function="torch.nn.modules.linear.Identity"))
    vectors = step(np.eye(4, dtype=np.float32))
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, weight.numpy().T)


def test_dense_weights_of_whole_numbers_are_refused(tmp_path: Path) -> None:
    save_file({"linear.weight": np.zeros((2, 4), np.int8)}, tmp_path / "model.safetensors")
    with pytest.raises(PreconditionError, match=r"`linear\.weight` of a Dense module has the type I8"):
        load_head(dense(tmp_path))


def test_a_bias_that_the_weights_do_not_have_is_refused(tmp_path: Path) -> None:
    save_file({"linear.weight": np.zeros((2, 4), np.float32)}, tmp_path / "model.safetensors")
    with pytest.raises(PreconditionError, match="sets `bias` to True"):
        load_head(dense(tmp_path, bias=True))


def test_a_key_of_a_dense_step_that_panope_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PreconditionError, match="sets `init_scale`"):
        load_head(dense(tmp_path, init_scale=2))
