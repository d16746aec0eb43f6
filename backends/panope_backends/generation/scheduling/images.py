"""Images of the prompts that run: which of them the model has read, and under which number it keeps them.

An image is read in the step that first computes one of its places: beginnings that the cache holds need none.
"""

from __future__ import annotations

from panope_backends.api import ImageTextModel
from panope_backends.generation.scheduling.sequence import ActiveRequest


class Images:
    """Has the model read images; all answers of a request share them, and keep them while they are pre-empted.

    Args:
        model: that sees images.
    """

    def __init__(self, model: ImageTextModel) -> None:
        self._model = model
        self._free: list[int] = []
        self._count = 0

    def prepare(self, request: ActiveRequest, begin: int, end: int) -> None:
        """Has the images read that have a place between two positions, which a step computes."""
        if not request.given.images:
            return
        if request.image_prompt is None:
            self._open(request)
        assert request.image_prompt is not None
        for index in request.unread_images(begin, end):
            self._model.read_image(request.image_prompt, index)
            request.read_images.add(index)

    def release(self, request: ActiveRequest) -> None:
        """Forgets the images of a request that has ended."""
        if request.image_prompt is not None:
            self._model.close_prompt(request.image_prompt)
            self._free.append(request.image_prompt)
            request.image_prompt = None

    def _open(self, request: ActiveRequest) -> None:
        if not self._free:
            self._free.append(self._count)
            self._count += 1
        number = self._free[-1]
        self._model.open_prompt(number, request.given.prompt_token_ids, request.given.images)
        request.image_prompt = self._free.pop()
