"""How `image-generation` models are loaded, and which requests they answer."""

from __future__ import annotations

from panope_backends.tasks.diffusion import draw_trial, facts_message, load_diffusion
from panope_backends.tasks.image_generation.requests import ImageRequests
from panope_backends.tasks.task import LoadedTask, ModelSource, TaskModule


class ImageGenerationModule(TaskModule):
    """Loads a pipeline that draws images."""

    name = "image-generation"

    def load(self, source: ModelSource) -> LoadedTask:
        """Loads the pipeline, and draws a small image in one step."""
        model = load_diffusion(source)
        is_tried = "text" in model.facts.inputs
        try:
            if is_tried:
                draw_trial(model)
        except BaseException:  # whatever it was, the memory is free for the next candidate
            model.close()
            raise
        requests = {self.name: ImageRequests(model, source.media_limits).prepare}
        facts = facts_message(model.facts).SerializeToString()
        return LoadedTask(model, {}, requests, facts=facts, is_tried=is_tried, prepares_long=True)
