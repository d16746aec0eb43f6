"""How `classify` and `rerank` models are loaded, and which requests they answer."""

from __future__ import annotations

from panope.worker.v1 import classify_pb2 as messages
from panope_backends.api import ClassificationModel
from panope_backends.graphs.terms import FILE as DESCRIPTION
from panope_backends.model_facts.audio_models import classifies_audio
from panope_backends.model_facts.image_models import classifies_images, classifies_videos, with_type
from panope_backends.tasks.classify.by_engine import engine_task
from panope_backends.tasks.classify.classifier import Classifier
from panope_backends.tasks.classify.files import ClassifyFiles, read_classify_files
from panope_backends.tasks.classify.jobs import SequenceJobs
from panope_backends.tasks.classify.requests import ClassifyRequests
from panope_backends.tasks.classify.sequences import SequenceMaker
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.task import LoadedTask, ModelSource, TaskModule
from panope_backends.tasks.text_files import load_tokenizer
from panope_backends.tasks.tokenize.requests import tokenizer_requests


class ClassifyModule(TaskModule):
    """Loads a model that gives each text, or each two texts, a value for each label."""

    name = "classify"

    def load(self, source: ModelSource) -> LoadedTask:
        """Loads the model and classifies a short text, or an image, a video or a sound where it is a model of those."""
        if (source.folder / DESCRIPTION).is_file():
            from panope_backends.tasks.classify.images import load_described_classifier  # it brings Pillow

            return load_described_classifier(source)
        if not (source.folder / "config.json").exists():
            found = source.load_any({})
            if isinstance(found, ClassificationModel):
                return _of_engine(found, self.name)
            found.close()
        if classifies_images(with_type(read_json(source.folder / "config.json"))):
            from panope_backends.tasks.classify.images import load_image_classifier  # it brings Pillow

            return load_image_classifier(source)
        if classifies_videos(read_json(source.folder / "config.json")):
            from panope_backends.tasks.classify.videos import load_video_classifier  # it brings PyAV

            return load_video_classifier(source)
        if classifies_audio(read_json(source.folder / "config.json")):
            from panope_backends.tasks.classify.audio import load_audio_classifier  # it brings PyAV

            return load_audio_classifier(source)
        files = read_classify_files(source.folder)
        model = source.load(files.config)
        tokenizer, max_tokens = load_tokenizer(files.text, source)
        classifier = Classifier(files, tokenizer, model, max_tokens=max_tokens, per_token=False)
        classifier.trial()
        made = ClassifyRequests(files, SequenceJobs(SequenceMaker(classifier, tokenizer)))
        requests = {**made.by_task, **tokenizer_requests(tokenizer, classifier.max_tokens)}
        facts = facts_of(files, classifier, self.name).SerializeToString()
        return LoadedTask(model, files.config, requests, classifier, facts)


class RerankModule(ClassifyModule):
    """Loads a cross-encoder: a classifier of two texts with one label."""

    name = "rerank"


def _of_engine(model: ClassificationModel, task: str) -> LoadedTask:
    try:
        return engine_task(model, task)
    except BaseException:  # whatever it was, what the engine holds is free for the next candidate
        model.close()
        raise


def facts_of(files: ClassifyFiles, classifier: Classifier, task: str) -> messages.ClassifyFacts:
    """What a model takes and gives."""
    return messages.ClassifyFacts(
        labels=files.labels,
        max_tokens=classifier.max_tokens,
        function=files.rerank_function if task == "rerank" else files.function,
        entailment_label="" if files.entailment is None else files.labels[files.entailment],
    )
