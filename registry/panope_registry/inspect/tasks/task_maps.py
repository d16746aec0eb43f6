"""The tasks, and the words that transformers, diffusers, PEFT and the hub have for them."""

from __future__ import annotations

from dataclasses import dataclass

TASKS = (
    *("embed", "rerank", "classify", "token-classify", "question-answer", "fill-mask", "generate"),
    "table-question-answer",
    *("transcribe", "speak"),
    *("detect", "segment", "depth", "ocr", "super-resolution", "frame-interpolation"),
    *("image-generation", "video-generation"),
)
"""Those that can be concluded, and that a user may say."""


@dataclass(frozen=True)
class Head:
    """What a class of a model library does.

    Attributes:
        task: empty where there is none.
        says: the same, to go after "a class that".
        candidates: the tasks that such a model can do beside, or instead.
        unless_tagged: those of a task that it does instead where the hub's tag says so.
    """

    task: str
    says: str
    candidates: tuple[str, ...] = ()
    unless_tagged: tuple[str, ...] = ()


_CLASSIFIES = Head("classify", "says which of its labels fit")
_DETECTS = Head("detect", "finds things in images")
_SEGMENTS = Head("segment", "tells which pixels belong to what")
_TRANSCRIBES = Head("transcribe", "turns speech into text")
_SPEAKS = Head("speak", "turns text into audio")
_GENERATES = Head("generate", "generates text")
_ANSWERS = Head("", "marks the answer to a question in a document, which is no task here")
_CHOOSES = Head("", "chooses the answer to a question about an image from a list of its own, which is no task here")
_PREDICTS = Head("", "works on time series, which is no task here")

#: transformers' maps, by the names that architectures.json has for them.
HEADS = {
    "any-to-any": Head("generate", "generates text from text, images and audio, and audio too", ("speak",)),
    "image-text-to-text": Head("generate", "generates text from images and text"),
    "multimodal-lm": Head("generate", "generates text from several kinds of input"),
    "causal-lm": _GENERATES,
    "seq-to-seq-causal-lm": Head("generate", "generates text from text"),
    "text-to-waveform": _SPEAKS,
    "text-to-spectrogram": _SPEAKS,
    "speech-seq-2-seq": _TRANSCRIBES,
    "ctc": _TRANSCRIBES,
    "rnnt": _TRANSCRIBES,
    "tdt": _TRANSCRIBES,
    "sequence-classification": _CLASSIFIES,
    "image-classification": _CLASSIFIES,
    "zero-shot-image-classification": Head(
        "classify", "says which of the labels asked for fit an image", unless_tagged=("embed",)
    ),
    "video-classification": _CLASSIFIES,
    "audio-classification": _CLASSIFIES,
    "token-classification": Head("token-classify", "says of each token which label fits"),
    "object-detection": _DETECTS,
    "zero-shot-object-detection": _DETECTS,
    "pose-estimation": Head("detect", "finds the joints of people"),
    "keypoint-detection": Head("detect", "finds points in images"),
    "universal-segmentation": _SEGMENTS,
    "instance-segmentation": _SEGMENTS,
    "semantic-segmentation": _SEGMENTS,
    "image-segmentation": _SEGMENTS,
    "mask-generation": Head("segment", "cuts out what is pointed at"),
    "depth-estimation": Head("depth", "tells how far each pixel is away"),
    "image-to-image": Head("super-resolution", "makes images larger"),
    "text-recognition": Head("ocr", "reads the text in images"),
    "table-recognition": Head("ocr", "reads the tables in images"),
    "text-encoding": Head("embed", "is a plain encoder, whose token vectors are averaged"),
    "masked-lm": Head("fill-mask", "fills in masked words", unless_tagged=("embed",)),
    "base": Head("", "has no head", ("embed",)),
    "image": Head("embed", "turns an image into vectors"),
    "retrieval": Head("", "gives many vectors a page", ("embed",)),
    "audio-xvector": Head("", "turns a voice into a vector", ("embed",)),
    "pretraining": Head("", "is for pretraining", ("embed",)),
    "backbone": Head("", "is a part of other models"),
    "question-answering": Head("question-answer", "marks the answer to a question in a text"),
    "document-question-answering": _ANSWERS,
    "table-question-answering": Head("table-question-answer", "chooses the cells of a table that answer a question"),
    "visual-question-answering": _CHOOSES,
    "multiple-choice": Head("", "chooses among answers, which is no task here"),
    "next-sentence-prediction": Head("", "tells whether sentences follow each other, which is no task here"),
    "audio-frame-classification": Head("", "labels moments of audio, which is no task here"),
    "audio-tokenization": Head("", "turns audio into codes, which is no task here"),
    "decision": Head("", "chooses among actions, which is no task here"),
    "keypoint-matching": Head("", "matches points of two images, which is no task here"),
    "causal-image-modeling": Head("", "continues images pixel by pixel", ("image-generation",)),
    "masked-image-modeling": Head("", "fills in masked parts of images", ("embed",)),
    "image-matting": Head("", "tells how transparent each pixel is, which is no task here"),
    "normal-estimation": Head("", "tells where surfaces face, which is no task here"),
    "pointmap-estimation": Head("", "tells where pixels are in space, which is no task here"),
    "time-series-classification": _PREDICTS,
    "time-series-prediction": _PREDICTS,
    "time-series-regression": _PREDICTS,
}

#: What a diffusers pipeline makes.
MADE = {
    "image": "image-generation",
    "video": "video-generation",
    "audio": "speak",
    "larger-image": "super-resolution",
    "depth": "depth",
}

#: PEFT's task types.
ADAPTED = {
    "CAUSAL_LM": "generate",
    "SEQ_2_SEQ_LM": "generate",
    "SEQ_CLS": "classify",
    "TOKEN_CLS": "token-classify",
    "FEATURE_EXTRACTION": "embed",
}

#: The hub's names of tasks that mean one of ours.
PIPELINE_TAGS = {
    "feature-extraction": "embed",
    "image-feature-extraction": "embed",
    "sentence-similarity": "embed",
    "text-ranking": "rerank",
    "text-classification": "classify",
    "zero-shot-classification": "classify",
    "image-classification": "classify",
    "zero-shot-image-classification": "classify",
    "audio-classification": "classify",
    "video-classification": "classify",
    "token-classification": "token-classify",
    "question-answering": "question-answer",
    "table-question-answering": "table-question-answer",
    "fill-mask": "fill-mask",
    "text-generation": "generate",
    "text2text-generation": "generate",
    "summarization": "generate",
    "translation": "generate",
    "image-to-text": "generate",
    "image-text-to-text": "generate",
    "automatic-speech-recognition": "transcribe",
    "text-to-speech": "speak",
    "text-to-audio": "speak",
    "object-detection": "detect",
    "zero-shot-object-detection": "detect",
    "keypoint-detection": "detect",
    "image-segmentation": "segment",
    "mask-generation": "segment",
    "depth-estimation": "depth",
    "text-to-image": "image-generation",
    "unconditional-image-generation": "image-generation",
    "text-to-video": "video-generation",
    "image-to-video": "video-generation",
}

#: The hub's names of tasks that may mean several of ours.
VAGUE_TAGS = {
    "image-to-image": ("super-resolution", "image-generation"),
    "any-to-any": ("generate", "speak"),
    "audio-text-to-text": ("generate", "transcribe"),
    "video-text-to-text": ("generate",),
    "video-to-video": ("frame-interpolation", "video-generation"),
    "audio-to-audio": ("speak",),
}

#: What a model may be for of which only the kind of its input is known.
MODALITIES = {
    "text": ("embed", "rerank", "classify", "token-classify", "question-answer", "fill-mask", "generate"),
    "image": ("classify", "detect", "segment", "depth", "ocr", "super-resolution", "embed"),
    "audio": ("transcribe", "classify"),
    "video": ("classify", "frame-interpolation"),
}

#: Tags that say the kind of input alone.
MODALITY_TAGS = {
    "text": "text",
    "nlp": "text",
    "image": "image",
    "vision": "image",
    "computer-vision": "image",
    "audio": "audio",
    "speech": "audio",
    "video": "video",
}

#: GGUF architectures that embed; the others generate.
GGUF_ENCODERS = frozenset(
    {"bert", "eurobert", "gemma-embedding", "jina-bert-v2", "jina-bert-v3", "modern-bert", "neo-bert", "nomic-bert"}
    | {"nomic-bert-moe", "t5encoder"}
)

#: GGUF files that are a part of a model.
GGUF_PARTS = frozenset({"clip"})


def task_word(word: str) -> str:
    """Returns the task that a word means, ours or the hub's; empty when it means none."""
    return word if word in TASKS else PIPELINE_TAGS.get(word, "")
