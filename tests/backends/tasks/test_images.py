"""What a model's processor cannot do to any image is told of its file, and of no image that nobody sent."""

from __future__ import annotations

from typing import Any

import pytest

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.media.limits import MediaLimits
from panope_backends.tasks.images import ImagePreparer


class Fails:
    def __init__(self, error: Exception) -> None:
        self._error = error

    def arrays(self, _image: Any, _field: str) -> Any:
        raise self._error


@pytest.mark.parametrize(
    ("error", "reason", "told"),
    [
        (InvalidInputError("`images[0]` has 64 × 64 pixels", field="images[0]"), "", "makes nothing of"),
        (MemoryError(), "insufficient_memory", "asks for images that take more memory than the model may have"),
    ],
)
def test_a_processor_that_fails_at_the_trial_is_told_by_its_file(error: Exception, reason: str, told: str) -> None:
    with pytest.raises(PreconditionError, match=rf"^`preprocessor_config\.json` .*{told}") as caught:
        ImagePreparer(Fails(error), MediaLimits()).sample(0)
    assert "images[0]" not in caught.value.message
    assert (caught.value.field, caught.value.reason) == ("", reason or PreconditionError.default_reason)
