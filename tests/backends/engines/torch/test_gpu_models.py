"""Every kind of model answers on a GPU as on the processor, in float32: `fake_gpu` stands for each kind of GPU.

On it no operation takes tensors of both, so a weight or an input that was left behind ends a test.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake_gpu import GPU_BACKENDS, Constructors, FakeCudaBackend, FakeRocmBackend
from peft_adapters import peft_adapter
from PIL import Image

from panope_backends.api import (
    Arrays,
    EncoderDecoderModel,
    ImageTextModel,
    LoadedModel,
    LoadOptions,
    ModelFacts,
    PromptImage,
    StepBatch,
    StepModel,
    StepSequence,
    TensorModel,
)
from panope_backends.engines.torch import CpuBackend
from panope_backends.engines.torch.torch_backend import TorchBackend
from panope_backends.tasks.generate.images.processor import load_processor
from panope_backends.testing.audio.speaking import tiny_vits
from panope_backends.testing.audio.speech import tiny_ctc, tiny_moonshine, tiny_whisper
from panope_backends.testing.decoders import tiny_decoder
from panope_backends.testing.encoder_decoders import tiny_encoder_decoder
from panope_backends.testing.models import tiny_classifier, tiny_transformer
from panope_backends.testing.vision.image_text_models import IMAGE_TEXT_FAMILIES, tiny_image_text_model
from panope_backends.testing.vision.models import tiny_vision_model

Array = np.ndarray[Any, Any]
Answers = Mapping[str, Array]

EXACT = LoadOptions(precision="fp32", threads=1, max_adapters=2)


@pytest.fixture(autouse=True)
def constructors() -> Iterator[None]:
    with Constructors():
        yield


def facts_of(folder: Path, task: str, **more: Any) -> ModelFacts:
    config = json.loads((folder / "config.json").read_text())
    return ModelFacts(
        "test/model", "safetensors", task, next(iter(config.get("architectures") or [""])), config, **more
    )


def texts(model: LoadedModel) -> Answers:
    assert isinstance(model, TensorModel)
    ids = np.random.default_rng(1).integers(3, model.index_limits["input_ids"], (2, 6))
    mask = np.ones_like(ids)
    mask[1, 4:] = 0
    return run(model, {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)})


def run(model: LoadedModel, arrays: Arrays) -> Answers:
    assert isinstance(model, TensorModel)
    return model.run({spec.name: arrays[spec.name] for spec in model.inputs})


def images(model: LoadedModel) -> Answers:
    random = np.random.default_rng(2)
    ids = random.integers(4, 12, (2, 3, 5))
    assert isinstance(model, TensorModel)
    texts_alone = [spec for spec in model.inputs if spec.name == "input_ids" and len(spec.shape) == 2]
    ids = ids[:, 0] if texts_alone else ids
    pixels = random.standard_normal((2, 3, 32, 32), dtype=np.float32)
    return run(model, {"pixel_values": pixels, "input_ids": ids, "attention_mask": np.ones_like(ids)})


def sound(model: LoadedModel) -> Answers:
    return run(model, {"input_values": np.random.default_rng(4).standard_normal((2, 4000), dtype=np.float32)})


def speech(model: LoadedModel) -> Answers:
    ids = np.array([[1, 5, 3, 8, 2]])
    given = {"speaker": np.array([0]), "speed": np.ones(1, np.float32), "seed": np.array([7])}
    return run(model, {"input_ids": ids, **given})


def steps(model: LoadedModel) -> Answers:
    """A prompt in two parts beside another one, a copy of its blocks, and single tokens."""
    assert isinstance(model, StepModel)
    length = min(90, model.max_positions)
    half, end = length // 2, length - 5
    tokens = np.random.default_rng(3).integers(1, 60, length).tolist()
    size, width = model.cache.block_size, -(-length // model.cache.block_size)
    model.allocate(4 * width)
    sources: list[int | None] = [None, None]
    if isinstance(model, EncoderDecoderModel):
        model.allocate_sources(2)
        sources = [0, 1]
        for source in (0, 1):
            if model.source.features is None:
                model.encode(source, tokens[source : source + 7])
            else:
                shape = [length if length > 0 else 16_000 for length in model.source.features.shape]
                model.encode_features(source, np.random.default_rng(source).standard_normal(shape).astype(np.float32))

    def part(row: int, begin: int, stop: int) -> StepSequence:
        blocks = range(row * width, row * width + -(-stop // size))
        return StepSequence(tokens[begin:stop], begin, blocks, range(stop - begin), sources[row % 2])

    found = [model.forward(StepBatch.of([part(0, 0, half), part(1, 0, 9)])).copy()]
    found.append(model.forward(StepBatch.of([part(0, half, end), part(1, 9, 10)])).copy())
    model.copy_blocks([(block, 2 * width + block) for block in range(width)])
    found.append(model.forward(StepBatch.of([part(2, end, end + 1), part(0, end, end + 1), part(1, 10, 11)])).copy())
    return {"logits": np.concatenate(found)}


def adapted_steps(model: LoadedModel) -> Answers:
    """A sequence with an adapter beside one without."""
    assert isinstance(model, StepModel)
    model.allocate(8)
    parts = [StepSequence(list(range(3, 40)), 0, [4 * row, 4 * row + 1], range(37), adapter=row) for row in (0, 1)]
    return {"logits": model.forward(StepBatch.of(parts)).copy()}


def vision(kind: str, task: str, **more: Any) -> Callable[[Path], ModelFacts]:
    def write(folder: Path) -> ModelFacts:
        tiny_vision_model(folder, kind)
        return facts_of(folder, task, **more)

    return write


def speaking(make: Callable[[Path], Any], task: str) -> Callable[[Path], ModelFacts]:
    def write(folder: Path) -> ModelFacts:
        make(folder)
        return facts_of(folder, task)

    return write


def sparse(folder: Path) -> ModelFacts:
    tiny_classifier(folder, "fill-mask", ("a", "b"))
    return facts_of(folder, "embed", head="splade-max")


#: What is written, and what is asked of it; the first are tried each time.
MODELS: Mapping[str, tuple[Callable[[Path], ModelFacts], Callable[[LoadedModel], Answers]]] = {
    "encoder": (tiny_transformer, texts),
    "paged decoder": (lambda folder: tiny_decoder(folder, "mistral"), steps),
    "decoder with a state": (lambda folder: tiny_decoder(folder, "mamba"), steps),
    "encoder-decoder": (lambda folder: tiny_encoder_decoder(folder, "flan-t5"), steps),
    "letters of speech": (speaking(tiny_ctc, "transcribe"), sound),
    "voice": (speaking(tiny_vits, "speak"), speech),
    "images": (vision("vit", "classify"), images),
    "images beside texts": (vision("clip", "classify"), images),
    "transcriber": (speaking(tiny_whisper, "transcribe"), steps),
    "transcriber of waveforms": (speaking(tiny_moonshine, "transcribe"), steps),
    "encoder-decoder with a table": (lambda folder: tiny_encoder_decoder(folder, "bart"), steps),
    "sinks and experts": (lambda folder: tiny_decoder(folder, "gpt-oss"), steps),
    "hybrid": (lambda folder: tiny_decoder(folder, "jamba"), steps),
    "classifier": (lambda folder: tiny_classifier(folder, "classify", ("a", "b", "c")), texts),
    "answers": (lambda folder: tiny_classifier(folder, "question-answer", ("a", "b")), texts),
    "sparse encoder": (sparse, texts),
    "embedded images": (vision("dinov2", "embed"), images),
    "embedded texts": (vision("clip", "embed", head="texts"), images),
    "boxes": (vision("detr", "detect"), images),
    "boxes of labels": (vision("owlvit", "detect"), images),
    "maps": (vision("segformer", "segment"), images),
    "masks": (vision("mask2former", "segment"), images),
}
EACH_TIME = tuple(MODELS)[:7]
SOME = [pytest.param(FakeCudaBackend, kind, id=f"torch-cuda {kind}") for kind in EACH_TIME]
ALL = [
    pytest.param(backend, kind, id=f"{backend.name} {kind}", marks=pytest.mark.slow)
    for backend in GPU_BACKENDS
    for kind in MODELS
    if backend is not FakeCudaBackend or kind not in EACH_TIME
]


@pytest.mark.parametrize(("backend", "kind"), [*SOME, *ALL])
def test_a_model_answers_on_a_gpu_as_on_the_processor(backend: type[TorchBackend], kind: str, tmp_path: Path) -> None:
    write, ask = MODELS[kind]
    torch.manual_seed(0)
    facts = write(tmp_path)
    on_gpu = backend()
    model = on_gpu.load(facts, tmp_path, on_gpu.devices()[0].name, EXACT)
    reference = CpuBackend().load(facts, tmp_path, "CPU", EXACT)
    assert model.precision == "fp32"
    expected = ask(reference)
    for name, found in ask(model).items():
        scale = max(1.0, float(np.abs(expected[name]).max()))
        np.testing.assert_allclose(found, expected[name], rtol=0, atol=2e-5 * scale)
    model.close()


def test_adapters_run_beside_a_decoder_on_a_gpu(tmp_path: Path) -> None:
    facts = tiny_decoder(tmp_path, "llama")
    peft_adapter(tmp_path, tmp_path / "1", {"target_modules": ["q_proj", "down_proj"], "use_dora": True}, seed=1)
    found = []
    for model in (
        FakeRocmBackend().load(facts, tmp_path, "rocm:0", EXACT),
        CpuBackend().load(facts, tmp_path, "CPU", EXACT),
    ):
        model.add_adapter(1, tmp_path / "1")  # type: ignore[attr-defined]
        found.append(adapted_steps(model)["logits"])
    np.testing.assert_allclose(found[0], found[1], atol=2e-5 * np.abs(found[1]).max())
    assert np.abs(found[0][:37] - found[0][37:]).max() > 1e-3, "the adapter changes something"


def test_a_gpu_reads_pages_in_place_and_says_what_gathering_them_does(tmp_path: Path) -> None:
    facts = tiny_decoder(tmp_path, "mistral")
    options = LoadOptions(precision="bf16", threads=1)
    in_place = FakeCudaBackend().load(facts, tmp_path, "cuda:0", options)
    assert in_place.attention.name == "varlen"  # type: ignore[attr-defined]
    exact = CpuBackend().load(facts, tmp_path, "CPU", EXACT)
    found, expected = steps(in_place)["logits"], steps(exact)["logits"]
    assert 0 < np.abs(found - expected).max() < 0.1 * np.abs(expected).max()


@pytest.mark.slow
@pytest.mark.parametrize("backend", GPU_BACKENDS, ids=lambda backend: str(backend.name))
@pytest.mark.parametrize("family", sorted(IMAGE_TEXT_FAMILIES))
def test_images_in_prompts_are_read_on_a_gpu(family: str, backend: type[TorchBackend], tmp_path: Path) -> None:
    facts = tiny_image_text_model(tmp_path, family)
    on_gpu = backend()
    model = on_gpu.load(facts, tmp_path, on_gpu.devices()[0].name, EXACT)
    assert isinstance(model, ImageTextModel)
    processor = load_processor(tmp_path, facts.config)
    image_file = Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8))
    text = f"see {IMAGE_TEXT_FAMILIES[family][0]} there"
    ids = processor._processor(text=[text], images=[image_file], return_tensors="pt")["input_ids"][0].numpy()
    prepared = processor.prepare(image_file, "image")
    image = PromptImage(np.flatnonzero(ids == processor.image_token_id), prepared.inputs, prepared.digest)
    # Compares its steps over the prompt with transformers, or raises.
    model.prove(ids.tolist(), [image])
