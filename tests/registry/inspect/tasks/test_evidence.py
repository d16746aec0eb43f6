"""What a model's files say that it is for, by the classes that model libraries know."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panope_registry.inspect.tasks import TASKS, architecture_of, known, task_of
from panope_registry.inspect.tasks.evidence import MARKERS
from panope_registry.inspect.tasks.task_maps import HEADS, MADE

OBJECT_MARKERS = [marker for marker in MARKERS if marker != "modules.json"]
WORDS = st.sampled_from(["BertModel", "llama", "own.OwnModel", "AutoModelForCausalLM", "CAUSAL_LM", "\0", ""])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)
OBJECT = st.dictionaries(
    st.sampled_from(["type", "model_type", "_class_name", "task_type", "image_processor_type"]), JSON, max_size=3
)
CONFIG_KEYS = ["architectures", "model_type", "auto_map", "text_config", "id2label", "num_labels"]

DOCUMENT = Path(__file__).parents[4] / "docs/models.md"


@pytest.mark.parametrize(
    ("config", "task"),
    [
        ({"architectures": ["BertModel"], "model_type": "bert"}, "embed"),
        ({"architectures": ["MPNetModel"]}, "embed"),
        ({"architectures": ["HF_ColBERT"], "model_type": "bert"}, "embed"),
        ({"architectures": ["TapasForQuestionAnswering"], "model_type": "tapas"}, "table-question-answer"),
        ({"architectures": ["T5EncoderModel"]}, "embed"),
        ({"architectures": ["LlamaModel"]}, ""),
        ({"architectures": ["BertForSequenceClassification"], "id2label": {"0": "no", "1": "yes"}}, "classify"),
        ({"architectures": ["BertForSequenceClassification"], "id2label": {"0": "LABEL_0"}}, "rerank"),
        ({"architectures": ["BertForSequenceClassification"]}, "classify"),
        ({"architectures": ["BertForTokenClassification"]}, "token-classify"),
        ({"architectures": ["Qwen3ForCausalLM"]}, "generate"),
        ({"architectures": ["GPT2LMHeadModel"]}, "generate"),
        ({"architectures": ["T5ForConditionalGeneration"]}, "generate"),
        ({"architectures": ["Gemma3ForConditionalGeneration"]}, "generate"),
        ({"architectures": ["WhisperForConditionalGeneration"]}, "transcribe"),
        ({"architectures": ["VoxtralForConditionalGeneration"]}, "transcribe"),
        ({"architectures": ["SeamlessM4TForSpeechToText"]}, "transcribe"),
        ({"architectures": ["Wav2Vec2ForCTC"]}, "transcribe"),
        ({"architectures": ["MusicgenForConditionalGeneration"]}, "speak"),
        ({"architectures": ["VitsModel"]}, "speak"),
        ({"architectures": ["CLIPModel"]}, "classify"),
        ({"architectures": ["ViTModel"]}, "embed"),
        ({"architectures": ["DetrForObjectDetection"]}, "detect"),
        ({"architectures": ["VitPoseForPoseEstimation"]}, "detect"),
        ({"architectures": ["SamModel"]}, "segment"),
        ({"architectures": ["DPTForDepthEstimation"]}, "depth"),
        ({"architectures": ["Swin2SRForImageSuperResolution"]}, "super-resolution"),
        ({"architectures": ["PPOCRV5ServerRecForTextRecognition"]}, "ocr"),
        ({"model_type": "llama"}, "generate"),
        ({"architectures": ["BertForMaskedLM"]}, "fill-mask"),
        ({"architectures": ["CLIPVisionModel"], "image_size": 224}, "embed"),
        ({"architectures": ["BertForQuestionAnswering"]}, "question-answer"),
        ({"model_type": "whisper"}, "transcribe"),
        ({"model_type": "bert"}, ""),
        ({"text_config": {"architectures": ["LlamaForCausalLM"]}}, "generate"),
        ({"text_config": {"model_type": "qwen3"}, "vision_config": {}}, "generate"),
        ({"architectures": ["OwnModel"], "auto_map": {"AutoModelForCausalLM": "own.OwnModel"}}, "generate"),
        ({"architectures": []}, ""),
        ({"architectures": "BertModel"}, ""),
        ({}, ""),
    ],
)
def test_the_class_in_config_json_tells_the_task(config: Mapping[str, Any], task: str) -> None:
    conclusion = task_of({}, config, "")
    assert conclusion.value == task
    assert conclusion.reason


@pytest.mark.parametrize(
    ("encoder", "decoder", "task"),
    [("vit", "trocr", "ocr"), ("donut-swin", "mbart", "ocr"), ("vit", "gpt2", "generate")],
)
def test_two_models_in_one_tell_by_their_types_whether_they_read_text(encoder: str, decoder: str, task: str) -> None:
    config = {
        "architectures": ["VisionEncoderDecoderModel"],
        "model_type": "vision-encoder-decoder",
        "encoder": {"model_type": encoder},
        "decoder": {"model_type": decoder},
    }
    assert task_of({}, config, "").value == task


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"architectures": ["XCLIPModel"], "model_type": "xclip"}, "compares videos with texts, which is no task here"),
        ({"architectures": ["ViltForQuestionAnswering"]}, "chooses the answer to a question about an image"),
    ],
)
def test_what_is_no_task_here_is_named(config: Mapping[str, Any], reason: str) -> None:
    conclusion = task_of({}, config, "")
    assert (conclusion.value, conclusion.candidates) == ("", ())
    assert reason in conclusion.reason


@pytest.mark.parametrize(
    ("config", "candidates"),
    [
        ({"model_type": "bert"}, ("embed", "fill-mask")),
        ({"architectures": ["CLIPVisionModel"]}, ("embed",)),
        ({"architectures": ["NovelClass"], "model_type": "whisper"}, ("transcribe",)),
        ({"architectures": ["NovelClass"], "model_type": "novel"}, ()),
        ({"architectures": ["LayoutLMForQuestionAnswering"]}, ()),
    ],
)
def test_what_has_no_task_tells_what_it_could_do_instead(config: Mapping[str, Any], candidates: tuple[str]) -> None:
    conclusion = task_of({}, config, "")
    assert (conclusion.value, conclusion.candidates) == ("", candidates)


@pytest.mark.parametrize(
    ("pipeline", "task"),
    [
        ("StableDiffusionXLPipeline", "image-generation"),
        ("FluxPipeline", "image-generation"),
        ("WanPipeline", "video-generation"),
        ("AnimateDiffPipeline", "video-generation"),
        ("StableAudioPipeline", "speak"),
        ("StableDiffusionUpscalePipeline", "super-resolution"),
        ("MarigoldDepthPipeline", "depth"),
        ("StableCascadePriorPipeline", ""),
        ("NovelPipeline", ""),
    ],
)
def test_a_diffusers_pipeline_tells_what_it_makes(pipeline: str, task: str) -> None:
    conclusion = task_of({"model_index.json": {"_class_name": pipeline}}, {}, "")
    assert conclusion.value == task
    assert pipeline in conclusion.reason
    assert conclusion.candidates == (() if task else ("image-generation", "video-generation"))


@pytest.mark.parametrize(
    ("kind", "task"),
    [("CAUSAL_LM", "generate"), ("SEQ_CLS", "classify"), ("FEATURE_EXTRACTION", "embed"), ("QUESTION_ANS", "")],
)
def test_an_adapter_tells_what_it_is_for(kind: str, task: str) -> None:
    conclusion = task_of({"adapter_config.json": {"task_type": kind}}, {}, "")
    assert conclusion.value == task
    assert kind in conclusion.reason


@pytest.mark.parametrize(
    ("kind", "task"), [(None, "embed"), ("SentenceTransformer", "embed"), ("CrossEncoder", "rerank"), ("New", "")]
)
def test_sentence_transformers_tells_which_kind_it_is(kind: str | None, task: str) -> None:
    said = {} if kind is None else {"config_sentence_transformers.json": {"model_type": kind}}
    assert task_of({"modules.json": [], **said}, {}, "").value == task


@pytest.mark.parametrize(
    ("header", "pooling", "task"),
    [
        ("llama", "", "generate"),
        ("qwen3", "3", "embed"),
        ("qwen3", "4", "rerank"),
        ("nomic-bert", "", "embed"),
        ("clip", "", ""),
        ("novel", "", ""),
    ],
)
def test_a_gguf_header_tells_the_task(header: str, pooling: str, task: str) -> None:
    assert task_of({}, {}, header, pooling).value == task


def test_what_is_known_of_the_input_alone_leaves_the_choice() -> None:
    conclusion = task_of({"preprocessor_config.json": {"image_processor_type": "ViTImageProcessor"}}, {}, "")
    assert conclusion.value == ""
    assert {"classify", "detect"} <= set(conclusion.candidates)


def test_every_map_and_every_pipeline_has_its_words() -> None:
    table = known._table()
    heads = {*table["transformers"]["classes"].values(), *table["transformers"]["auto_classes"].values()}
    assert heads <= HEADS.keys()
    assert set(table["diffusers"]["pipelines"].values()) - {""} == MADE.keys()
    assert {head.task for head in HEADS.values()} | set(MADE.values()) <= {"", *TASKS}


def test_the_recognised_are_counted() -> None:
    """The numbers that docs/models.md tells; a new version of the libraries changes both."""
    table = known._table()
    classes = table["transformers"]["classes"]
    tasks = [HEADS[head].task for head in classes.values()]
    types = {kind: HEADS[classes[name]].task for kind, name in table["transformers"]["model_types"].items()}
    pipelines = table["diffusers"]["pipelines"].values()
    counts = [len(classes), sum(map(bool, tasks)), len(types), sum(map(bool, types.values()))]
    counts += [len(pipelines), sum(map(bool, pipelines)), len(table["gguf"]["architectures"])]
    told = DOCUMENT.read_text()
    assert [count for count in counts if str(count) not in told] == []
    assert counts == [1545, 944, 649, 496, 301, 245, 126]


@settings(max_examples=40)
@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(CONFIG_KEYS, JSON)),
    st.fixed_dictionaries({}, optional=dict.fromkeys(OBJECT_MARKERS, OBJECT) | {"modules.json": st.lists(OBJECT)}),
    st.text(max_size=8),
)
def test_whatever_the_files_hold_there_is_a_conclusion(
    config: dict[str, Any], markers: dict[str, Any], header: str
) -> None:
    conclusion = task_of(markers, config, header)
    assert conclusion.reason.isprintable()
    assert conclusion.value in ("", *TASKS)
    assert set(conclusion.candidates) <= set(TASKS)
    architecture = architecture_of(config, header)
    assert architecture.reason
    assert architecture.value.isprintable()
