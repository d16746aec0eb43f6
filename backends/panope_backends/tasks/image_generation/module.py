"""How `image-generation` models are loaded, and which requests they answer."""

from __future__ import annotations

from panope_backends.tasks.diffusion import facts_message, load_tried
from panope_backends.tasks.image_generation.requests import ImageRequests
from panope_backends.tasks.task import LoadedTask, ModelSource, TaskModule


class ImageGenerationModule(TaskModule):
    """Loads a pipeline that draws images."""

    name = "image-generation"

    def load(self, source: ModelSource) -> LoadedTask:
        """Loads the pipeline, and draws a small image in one step."""
        model, is_tried = load_tried(source)
        requests = {self.name: ImageRequests(model, source.media_limits).prepare}
        facts = facts_message(model.facts).SerializeToString()
        return LoadedTask(model, {}, requests, facts=facts, is_tried=is_tried, prepares_long=True)
