"""Makes a refusal of whatever a converting library raises for a model that it does not take."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from panope_backends.errors import InvalidInputError, PanopeError, PreconditionError, kind_of
from panope_backends.isolation.memory_limit import is_out_of_memory


@contextlib.contextmanager
def refused_as(message: str) -> Iterator[None]:
    """Within it, what a library raises means that it cannot convert this model.

    Tracers run the model's code and raise what that raises, and each library has errors of its own with no base but
    Exception. The error becomes the refusal's cause, for the log; callers hear its kind, and nobody else its text.

    Args:
        message: of the refusal, to which the kind of the error is added.

    Raises:
        PreconditionError: the library raised, or what it made does not take texts as the original does
            (`conversion_failed`). Want of memory is no fault of the model and passes
            as it is, and so do Panope's own errors.
    """
    try:
        yield
    except InvalidInputError as error:  # of an engine: there is no caller here who could mend it
        raise PreconditionError(
            f"{message}: it does not take what the original takes", reason="conversion_failed"
        ) from (error)
    except PanopeError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise PreconditionError(f"{message}: {kind_of(error)}; the log has more", reason="conversion_failed") from error
