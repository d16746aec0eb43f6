"""Made-up models, one for each task."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from panope_backends.api import Device, TensorSpec
from panope_backends.errors import NotFoundError, PreconditionError
from panope_registry.models.types import EVERY_MODEL, ModelEntry, ModelFilter
from panope_server.runtime.hardware.usage.device_usage import UNKNOWN, DeviceUsage
from panope_server.runtime.models.directory import ResolvedModel
from panope_server.runtime.names import ResolvedName
from panope_server.runtime.placement.constraints import UNCONSTRAINED, LoadConstraints
from panope_server.runtime.status import InstanceState, InstanceView, ModelState, ModelView, VariantView
from panope_server.tasks.classify import ClassifySpec
from panope_server.tasks.embed import EmbedSpec
from panope_server.tasks.generate.types import GenerateSpec
from panope_server.tasks.text_spec import TextSpec

EMBEDDER = "acme/embedder"
GENERATOR = "acme/generator"
TENSORS = "acme/tensors"
CLASSIFIER, RERANKER, TAGGER = "labels/classifier", "labels/reranker", "labels/tagger"
DETECTOR, SEGMENTER = "labels/detector", "labels/segmenter"
RANGER, ENLARGER, OCR = "pixels/ranger", "pixels/enlarger", "pixels/ocr"
TRANSCRIBER = "speech/transcriber"
SPEAKER = "speech/speaker"
PAINTER, FILMER, INTERPOLATOR = "pixels/painter", "pixels/filmer", "pixels/interpolator"
READER, FILLER, TABLE_READER = "texts/reader", "texts/filler", "texts/tables"
DIMENSIONS = 4
LABELS = ("contradiction", "entailment", "neutral")
DEFAULTS = {
    "embed": EMBEDDER,
    "generate": GENERATOR,
    "classify": CLASSIFIER,
    "rerank": RERANKER,
    "token-classify": TAGGER,
    "detect": DETECTOR,
    "segment": SEGMENTER,
    "depth": RANGER,
    "ocr": OCR,
    "super-resolution": ENLARGER,
    "image-generation": PAINTER,
    "video-generation": FILMER,
    "frame-interpolation": INTERPOLATOR,
    "transcribe": TRANSCRIBER,
    "speak": SPEAKER,
    "question-answer": READER,
    "table-question-answer": TABLE_READER,
    "fill-mask": FILLER,
}

#: Whose callers send token ids of the model's own, or of OpenAI's vocabulary, as the settings of the tests say.
OWN_IDS = "prod/own-ids"
OPENAIS_IDS = "text-embedding-3-small"
ALIASES = {
    OWN_IDS: EMBEDDER,
    OPENAIS_IDS: EMBEDDER,
    "nomic-embed-text:latest": EMBEDDER,
    "ft:tiny-0613:acme::7p4lURel": EMBEDDER,
    "prod/tiny:q4": EMBEDDER,
    "gpt2": EMBEDDER,
}


def vector_of(text: str) -> list[float]:
    """What the embedder answers: values that float32 does not hold exactly, so that rounding shows."""
    return [len(text) / 10, 0.1, -1 / 3, 1e-7]


@dataclass
class FakeModels:
    """Models that embed, generate, return their tensors, label, detect, read texts, transcribe speech and speak."""

    views: dict[str, ModelView]
    loaded: list[tuple[str, LoadConstraints, float | None]] = field(default_factory=list)
    defaults: dict[str, str] = field(default_factory=lambda: dict(DEFAULTS))

    async def list(
        self, only: ModelFilter = EVERY_MODEL, *, loaded: bool | None = None, after: str = "", limit: int = 100
    ) -> list[ModelView]:
        named = [self.views[name] for name in sorted(self.views) if name > after and name.startswith(only.prefix)]
        serving = [view for view in named if loaded in {None, view.state is ModelState.SERVING}]
        formats = [view for view in serving if only.format in {"", *(variant.format for variant in view.variants)}]
        return [view for view in formats if only.task in {"", view.task}][:limit]

    async def get(self, name: str) -> ModelView:
        if name in ALIASES:
            return replace(self.views[ALIASES[name]], name=name, alias_of=ALIASES[name])
        if name not in self.views:
            raise NotFoundError(f"there is no model `{name}`", reason="model_not_found", field="model")
        return self.views[name]

    async def load(
        self, name: str, constraints: LoadConstraints = UNCONSTRAINED, keep_alive: float | None = None
    ) -> ModelView:
        view = replace(await self.get(name), state=ModelState.SERVING)
        if constraints.backend not in {"", "openvino"}:
            raise PreconditionError(f"backend `{constraints.backend}` is not installed", field="backend")
        self.loaded.append((name, constraints, keep_alive))
        self.views[name] = view
        return view

    async def unload(self, name: str) -> ModelView:
        self.views[name] = view = replace(await self.get(name), state=ModelState.UNLOADED, instances=())
        return view

    def device_usage(self, device: Device) -> DeviceUsage:
        return DeviceUsage(0.25, 1 << 30, 8 << 30) if device.name == "CPU" else UNKNOWN

    async def devices(self) -> list[Device]:
        return [Device(backend="openvino", name="CPU", memory_bytes=1 << 40, precisions=("bf16", "fp32"))]

    async def resolve(self, name: str) -> ResolvedModel:
        model = ALIASES.get(name, name)
        view = await self.get(model)
        entry = ModelEntry(model, view.task, view.architecture, view.created_at, {}, (), {})
        return ResolvedModel(ResolvedName(model), entry)

    async def default_for(self, task: str) -> str | None:
        return self.defaults.get(task)


def model_views() -> dict[str, ModelView]:
    created = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    instance = InstanceView(
        id="embedder-0",
        variant_digest="sha256:ab",
        format="openvino",
        weights_precision="int8",
        backend="openvino",
        device="CPU",
        precision="bf16",
        state=InstanceState.READY,
        pid=4711,
        resident_bytes=1 << 33,
        restart_count=0,
        selection_reason="fastest",
        ready_at=created,
    )
    embedder = ModelView(
        name=EMBEDDER,
        task="embed",
        architecture="BertModel",
        state=ModelState.SERVING,
        state_reason="",
        created_at=created,
        variants=(VariantView("sha256:ab", "openvino", "bf16", 1 << 40),),
        instances=(instance,),
        embed=EmbedSpec(DIMENSIONS, 256, ("query",), "mean", True, "any"),
        inputs=(TensorSpec("input_ids", "int64", (-1, -1)), TensorSpec("attention_mask", "int64", (-1, -1))),
        outputs=(TensorSpec("last_hidden_state", "float32", (-1, -1, 2)),),
    )
    tensors = replace(
        embedder,
        name=TENSORS,
        task="",
        embed=None,
        inputs=(TensorSpec("x", "float32", (-1, 2)),),
        outputs=(),
        instances=(),
    )
    generator = replace(
        tensors,
        name=GENERATOR,
        task="generate",
        architecture="LlamaForCausalLM",
        inputs=(),
        generate=GenerateSpec(
            max_positions=2048,
            vocab_size=1000,
            slots=32,
            has_chat_template=True,
            has_tools=True,
            has_reasoning=False,
            template_kwargs=("enable_thinking",),
            honoured=frozenset({"temperature", "logit_bias"}),
            defaults=b'{"temperature": 0.6}',
            eos_token_ids=(2,),
            cache_precision="u8",
            cache_tokens=4096,
            languages=("deu_Latn", "eng_Latn"),
            ignored_defaults=("num_beams",),
        ),
    )
    labelled = {
        name: replace(tensors, name=name, task=task, inputs=(), classify=ClassifySpec(labels, 512, function, "", "any"))
        for name, task, labels, function in (
            (CLASSIFIER, "classify", LABELS, "softmax"),
            (RERANKER, "rerank", ("LABEL_0",), "sigmoid"),
            (TAGGER, "token-classify", ("O", "B-PER"), "softmax"),
        )
    }
    media = {
        name: replace(tensors, name=name, task=task, inputs=())
        for name, task in (
            (DETECTOR, "detect"),
            (SEGMENTER, "segment"),
            (RANGER, "depth"),
            (OCR, "ocr"),
            (ENLARGER, "super-resolution"),
            (PAINTER, "image-generation"),
            (FILMER, "video-generation"),
            (INTERPOLATOR, "frame-interpolation"),
            (TRANSCRIBER, "transcribe"),
            (SPEAKER, "speak"),
        )
    }
    reading = {
        name: replace(tensors, name=name, task=task, inputs=(), text=TextSpec(512, mask, "any"))
        for name, task, mask in (
            (READER, "question-answer", ""),
            (TABLE_READER, "table-question-answer", ""),
            (FILLER, "fill-mask", "[MASK]"),
        )
    }
    return {EMBEDDER: embedder, GENERATOR: generator, TENSORS: tensors, **labelled, **reading, **media}
