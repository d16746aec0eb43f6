"""Each layout of a model's folder and each kind of module: served like the library, or refused by name at import."""

from __future__ import annotations

import ast
import importlib.util
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.registry.inspect.folder_layouts import modules, understand

from panope_backends.errors import PreconditionError
from panope_backends.tasks.embed.files.modules_file import MODULES
from panope_backends.testing.graphs import text_graph
from panope_registry.ingest.folder import list_folder
from panope_registry.inspect.inspect import Evidence, inspect_files
from panope_registry.registry import Registry
from panope_registry.sources.hub import HubSource
from panope_registry.testing.hub import HubStandIn

MakeModel = Callable[..., Path]
Safetensors = Callable[..., bytes]

BERT = {"architectures": ["BertModel"], "model_type": "bert", "hidden_size": 16}


def _every_kind() -> set[str]:
    """The modules that the library has for encoders of every kind, read and not imported."""
    library = importlib.util.find_spec("sentence_transformers")
    assert library is not None
    assert library.origin is not None
    found: set[str] = set()
    for kind in ("sentence_transformer", "sparse_encoder", "multi_vector_encoder"):
        source = Path(library.origin).parent / kind / "modules/__init__.py"
        named = [node for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Assign)]
        (listed,) = [ast.literal_eval(node.value) for node in named if ast.unparse(node.targets[0]) == "__all__"]
        found |= set(listed)
    return found


def test_the_modules_that_are_run_are_the_librarys() -> None:
    assert set(MODULES) <= _every_kind()


@pytest.mark.parametrize("kind", sorted(_every_kind() - set(MODULES)))
def test_a_module_that_is_not_run_is_refused_at_import_by_its_name(make_model: MakeModel, kind: str) -> None:
    with pytest.raises(PreconditionError, match=rf"modules\.json .*{kind}"):
        understand(make_model(files={"modules.json": modules("Transformer", "Pooling", kind)}))


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"modules.json": modules("custom_st.Transformer", "Pooling")}, r"modules\.json .*`custom_st\.Transformer`"),
        ({"modules.json": modules("Transformer")}, "modules.json lists Transformer"),
        (
            {"modules.json": modules("Transformer", "Pooling"), "1_Pooling/config.json": None},
            "no 1_Pooling/config.json",
        ),
        ({"1_Pooling/config.json": '{"pooling_mode": "attention"}'}, "pooling mode `attention`"),
        ({"config_sentence_transformers.json": '{"default_prompt_name": "query"}'}, "default prompt"),
        ({"modules.json": modules("Transformer", "Pooling", "Dense")}, "config.json"),
        ({"modules.json": modules("Transformer", "Pooling", "Asym")}, r"has no router_config\.json"),
        (
            {"modules.json": modules("Transformer", "Pooling", "Dense"), "2_Dense/config.json": "{}"},
            r"no model\.safetensors",
        ),
        (
            {
                "modules.json": modules("Transformer", "Pooling", "Dense"),
                "2_Dense/config.json": '{"activation_function": "own.Activation"}',
            },
            r"`own\.Activation`",
        ),
    ],
)
@pytest.mark.parametrize("how", ["folder", "hub"])
def test_what_a_worker_would_refuse_is_refused_at_import(
    make_model: MakeModel, registry: Registry, files: Mapping[str, Any], told: str, how: str
) -> None:
    folder = make_model(files=files)
    if how == "folder":
        with pytest.raises(PreconditionError, match=told):
            registry.import_folder(folder, "v/m")
        return
    with HubStandIn() as hub:
        hub.add("v/m", folder)
        source = HubSource(hub.endpoint)
        with pytest.raises(PreconditionError, match=told):
            registry.register("v/m", source=source)
        source.close()
    assert registry.models() == []


CLIP = {"architectures": ["CLIPModel"], "model_type": "clip", "text_config": {}, "vision_config": {}}


def _clip(make_model: MakeModel, config: Mapping[str, Any] = CLIP) -> Path:
    """A model of images and texts with its own module, in a folder of its own, and a step behind it."""
    folder = make_model(files={"modules.json": modules("CLIPModel", "Normalize", first="0_CLIPModel")})
    (folder / "0_CLIPModel").mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (folder / name).rename(folder / "0_CLIPModel" / name)
    (folder / "0_CLIPModel/config.json").write_text(json.dumps(config))
    return folder


def test_a_model_of_images_and_texts_is_found_in_the_folder_of_its_module(make_model: MakeModel) -> None:
    found = understand(_clip(make_model))
    assert (found.task, found.architecture, found.config["model_type"]) == ("embed", "CLIPModel", "clip")
    assert [each.main_files for each in found.weight_sets] == [("0_CLIPModel/model.safetensors",)]


def test_models_of_images_and_texts_of_another_type_are_refused_at_import(make_model: MakeModel) -> None:
    with pytest.raises(PreconditionError, match=r"CLIPModel and no Pooling, and config\.json has the type `siglip`"):
        understand(_clip(make_model, {**CLIP, "model_type": "siglip"}))


def _subfolder(make_model: MakeModel, **more: bytes | str | None) -> Path:
    """The layout of older models: the transformer in a folder of its own."""
    folder = make_model(files={"modules.json": modules("Transformer", "Pooling", first="0_Transformer"), **more})
    (folder / "0_Transformer").mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (folder / name).rename(folder / "0_Transformer" / name)
    return folder


@pytest.mark.parametrize("place", [".", "0_StaticEmbedding"])
def test_a_table_of_token_vectors_is_a_model_that_embeds(
    make_model: MakeModel, safetensors: Safetensors, place: str
) -> None:
    modules_ = json.loads(modules("StaticEmbedding", "Normalize", first=place))
    where = "" if place == "." else f"{place}/"
    files = dict.fromkeys(("config.json", "model.safetensors", "1_Pooling/config.json"))
    table = safetensors({"embeddings": ("F32", [64, 16])})
    folder = make_model(files={**files, "modules.json": json.dumps(modules_)})
    (folder / where).mkdir(exist_ok=True)
    (folder / f"{where}model.safetensors").write_bytes(table)
    found = understand(folder)
    assert (found.task, found.architecture) == ("embed", "StaticEmbedding")
    assert found.reasons["architecture"] == "modules.json lists StaticEmbedding"
    assert [weights.folder for weights in found.weight_sets] == [where.rstrip("/")]


@pytest.mark.parametrize("place", ["", "0_WordEmbeddings"])
def test_a_table_of_words_is_a_model_that_embeds(make_model: MakeModel, safetensors: Safetensors, place: str) -> None:
    folder = _words(make_model, safetensors, place)
    found = understand(folder)
    assert (found.task, found.architecture) == ("embed", "WordEmbeddings")
    assert [(weights.format, weights.folder) for weights in found.weight_sets] == [("safetensors", place)]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("wordembedding_config.json", {"tokenizer_class": "own.Tokenizer"}, "the tokenizer `own.Tokenizer`"),
        ("wordembedding_config.json", {"pad": 1}, r"wordembedding_config\.json sets `pad`"),
        ("whitespacetokenizer_config.json", {"vocab": []}, "lists no words in `vocab`"),
        ("whitespacetokenizer_config.json", {"stop_words": None}, "has no `stop_words`"),
        ("whitespacetokenizer_config.json", {"do_lower_case": None}, "of the wrong type for `do_lower_case`"),
        ("whitespacetokenizer_config.json", None, r"the model has no whitespacetokenizer_config\.json"),
    ],
)
def test_what_a_list_of_words_must_say_is_asked_for_at_import(
    make_model: MakeModel, safetensors: Safetensors, name: str, content: dict[str, Any] | None, told: str
) -> None:
    folder = _words(make_model, safetensors)
    path = folder / name
    if content is None:
        path.unlink()
    else:
        path.write_text(json.dumps(json.loads(path.read_text()) | content))
    with pytest.raises(PreconditionError, match=told):
        understand(folder)


def test_a_list_of_millions_of_words_is_left_for_the_load(make_model: MakeModel, safetensors: Safetensors) -> None:
    folder = _words(make_model, safetensors)
    (folder / "whitespacetokenizer_config.json").write_text(" " * (16 << 20) + "{}")
    assert understand(folder).architecture == "WordEmbeddings"


def _words(make_model: MakeModel, safetensors: Safetensors, place: str = "") -> Path:
    """A model of words, as sentence-transformers saves it."""
    kind = "sentence_transformers.sentence_transformer.modules.tokenizer.whitespace.WhitespaceTokenizer"
    gone = dict.fromkeys(("config.json", "model.safetensors", "tokenizer.json"))
    folder = make_model(files={**gone, "modules.json": modules("WordEmbeddings", "Pooling", first=place)})
    own = folder / place
    own.mkdir(exist_ok=True)
    (own / "model.safetensors").write_bytes(safetensors({"emb_layer.weight": ("F32", [3, 16])}))
    (own / "wordembedding_config.json").write_text(json.dumps({"tokenizer_class": kind, "max_seq_length": 8}))
    words = {"vocab": ["PADDING_TOKEN", "hello", "world"], "stop_words": ["the"], "do_lower_case": False}
    (own / "whitespacetokenizer_config.json").write_text(json.dumps(words))
    return folder


@pytest.mark.parametrize("dense", [False, True])
def test_a_bag_of_words_is_a_model_whose_list_is_its_weights(
    make_model: MakeModel, safetensors: Safetensors, dense: bool
) -> None:
    listed = {"vocab": ["a", "fox"], "word_weights": {"fox": 2}, "unknown_word_weight": 1}
    kinds = ("BoW", "Dense") if dense else ("BoW",)
    gone = dict.fromkeys(("config.json", "model.safetensors", "tokenizer.json"))
    folder = make_model(files={**gone, "modules.json": modules(*kinds, first="0_BoW")})
    (folder / "0_BoW").mkdir()
    (folder / "0_BoW/config.json").write_text(json.dumps(listed))
    if dense:
        (folder / "1_Dense").mkdir()
        (folder / "1_Dense/config.json").write_text('{"in_features": 2, "out_features": 3}')
        weights = safetensors({"linear.weight": ("F32", [3, 2]), "linear.bias": ("F32", [3])})
        (folder / "1_Dense/model.safetensors").write_bytes(weights)
    found = understand(folder)
    assert (found.task, found.architecture, found.config) == ("embed", "BoW", {})
    (weight_set,) = found.weight_sets
    later = ["1_Dense/model.safetensors"] if dense else []
    assert (list(weight_set.files), weight_set.precision) == (["0_BoW/config.json", *later], "fp32")
    assert weight_set.parameter_count == (11 if dense else 2)


def test_weights_of_tokens_are_a_sparse_encoder(make_model: MakeModel, safetensors: Safetensors) -> None:
    kind = "sentence_transformers.sparse_encoder.modules.sparse_static_embedding.SparseStaticEmbedding"
    folder = make_model(
        files={
            "config.json": '{"frozen": true}',
            "modules.json": modules(kind),
            "model.safetensors": safetensors({"weight": ("F32", [8])}),
            "config_sentence_transformers.json": '{"model_type": "SparseEncoder"}',
        }
    )
    found = understand(folder)
    assert (found.task, found.architecture) == ("embed", "SparseStaticEmbedding")
    (folder / "config.json").write_text('{"path": "idf.json"}')
    with pytest.raises(PreconditionError, match=r"config\.json sets `path`"):
        understand(folder)


def test_a_sparse_encoder_is_a_model_that_embeds(make_model: MakeModel) -> None:
    folder = make_model(
        files={
            "config.json": json.dumps({**BERT, "architectures": ["BertForMaskedLM"]}),
            "modules.json": modules("Transformer", "SpladePooling"),
            "1_SpladePooling/config.json": '{"pooling_strategy": "max"}',
            "sentence_bert_config.json": '{"transformer_task": "fill-mask"}',
            "config_sentence_transformers.json": '{"model_type": "SparseEncoder"}',
        }
    )
    found = understand(folder)
    assert (found.task, found.architecture) == ("embed", "BertForMaskedLM")


def _pickled_step(make_model: MakeModel) -> Path:
    folder = make_model(files={"modules.json": modules("Transformer", "Pooling", "Dense"), "2_Dense/config.json": "{}"})
    (folder / "2_Dense/pytorch_model.bin").write_bytes(b"a pickle")
    return folder


def test_a_pickled_step_is_taken_with_a_grant_and_not_opened(make_model: MakeModel) -> None:
    files = {file.path: file.source for file in list_folder(_pickled_step(make_model))}
    found = inspect_files(files, Evidence(grants=("pickles",)))
    (weights,) = found.weight_sets
    assert weights.format == "safetensors"
    assert "2_Dense/pytorch_model.bin" in weights.files
    assert found.used_grants == ("grants.pickles",)


def test_a_pickled_step_is_refused_without_a_grant(make_model: MakeModel) -> None:
    with pytest.raises(PreconditionError, match=r"`grants\.pickles` does not list it"):
        understand(_pickled_step(make_model))


def test_a_transformer_in_a_folder_of_its_own_is_understood(registry: Registry, make_model: MakeModel) -> None:
    entry = registry.import_folder(_subfolder(make_model), "v/m")
    (variant,) = entry.variants
    assert (entry.architecture, entry.config["model_type"]) == ("BertModel", "bert")
    assert "0_Transformer/model.safetensors" in {file.path for file in variant.files}
    assert variant.memory_bytes


def test_a_graph_is_laid_out_where_the_transformer_is_loaded_from(registry: Registry, make_model: MakeModel) -> None:
    folder = _subfolder(make_model)
    (folder / "0_Transformer/config.json").write_text(json.dumps(BERT))
    (folder / "0_Transformer/onnx").mkdir()
    text_graph(folder / "0_Transformer/onnx/model.onnx", {"last_hidden_state": "tokens"})
    graph = next(each for each in registry.import_folder(folder, "v/m").variants if each.format == "onnx")
    assert {"0_Transformer/model.onnx", "0_Transformer/config.json"} <= {file.path for file in graph.files}


def test_code_of_a_transformer_in_a_folder_of_its_own_is_asked_for_there(make_model: MakeModel) -> None:
    folder = _subfolder(make_model)
    config = BERT | {"auto_map": {"AutoModel": "own.X"}}
    (folder / "0_Transformer/config.json").write_text(json.dumps(config))
    with pytest.raises(PreconditionError, match=r"`0_Transformer/config\.json` asks .*`0_Transformer/own\.py`"):
        understand(folder)


def test_a_graph_comes_with_the_weights_of_the_steps_after_it(
    registry: Registry, make_model: MakeModel, safetensors: Safetensors
) -> None:
    files = {
        "modules.json": modules("Transformer", "Pooling", "Dense"),
        "config.json": json.dumps(BERT),
        "2_Dense/config.json": json.dumps({"in_features": 16, "out_features": 4}),
        "2_Dense/model.safetensors": safetensors({"linear.weight": ("F32", [4, 16]), "linear.bias": ("F32", [4])}),
    }
    folder = make_model(files=files)
    text_graph(folder / "model.onnx", {"last_hidden_state": "tokens"})
    graph = next(each for each in registry.import_folder(folder, "v/m").variants if each.format == "onnx")
    assert "2_Dense/model.safetensors" in {file.path for file in graph.files}


@pytest.mark.parametrize(
    ("kind", "is_run"), [("t5", True), ("mt5", True), ("umt5", True), ("bart", False), ("longt5", False)]
)
def test_a_model_with_a_decoder_embeds_by_its_encoder_or_is_refused_at_import(
    make_model: MakeModel, kind: str, is_run: bool
) -> None:
    config = {"architectures": ["X"], "model_type": kind, "is_encoder_decoder": True}
    folder = make_model(files={"config.json": json.dumps(config)})
    if is_run:
        assert understand(folder).task == "embed"
    else:
        with pytest.raises(PreconditionError, match="encoder-decoder models need a decoder's inputs"):
            understand(folder)
