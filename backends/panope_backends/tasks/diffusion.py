"""What the tasks that draw have in common: how their models are loaded, tried and told of, and how a request runs."""

from __future__ import annotations

import threading
from typing import NoReturn, TypeAlias

from panope.worker.v1 import diffusion_pb2 as messages
from panope.worker.v1.image_generation_pb2 import ImageGenerationInput
from panope.worker.v1.video_generation_pb2 import VideoGenerationInput
from panope_backends.api import DiffusionFacts, DiffusionModel, DiffusionRequest, DiffusionRun, Drawn
from panope_backends.errors import Field, InvalidInputError, PanopeError, PreconditionError
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.task import ModelSource

INDEX = "model_index.json"

#: A side of the image of the trial, about: large enough for every model's smallest image.
_TRIAL_SIDE = 128

#: Seeds that nobody chose are short enough to be written down, and exact in JSON.
SEED_BITS = 32

UNSUPPORTED = "unsupported_field"


def load_tried(source: ModelSource) -> tuple[DiffusionModel, bool]:
    """The model of a source, which has drawn something, and whether it has: some draw from no text alone.

    Raises:
        PreconditionError: it cannot be loaded, or does not draw.
    """
    model = load_diffusion(source)
    is_tried = "text" in model.facts.inputs
    try:
        if is_tried:
            draw_trial(model)
    except BaseException:  # whatever it was, the memory is free for the next candidate
        model.close()
        raise
    return model, is_tried


def load_diffusion(source: ModelSource) -> DiffusionModel:
    """The model of a source.

    Raises:
        PreconditionError: it cannot be loaded, or the backend loads it as another kind.
    """
    model = source.load_any(read_json(source.folder / INDEX))
    if not isinstance(model, DiffusionModel):
        model.close()
        raise PreconditionError(
            "the backend loads the model as one that does not draw", reason="unsupported_model_kind"
        )
    return model


def draw_trial(model: DiffusionModel) -> None:
    """Draws something small, so that a model that cannot draw is never called ready.

    Raises:
        PreconditionError: it does not.
    """
    facts = model.facts
    width, height = (
        min(side, -(-_TRIAL_SIDE // facts.multiple) * facts.multiple) for side in (facts.width, facts.height)
    )
    run = model.begin(DiffusionRequest(prompt="a trial", width=width, height=height, steps=1, seed=0))
    try:
        while run.step() is None:
            pass
    except PanopeError:
        raise
    except (ValueError, TypeError, RuntimeError, AttributeError, KeyError) as error:
        raise PreconditionError(
            f"the pipeline `{facts.pipeline}` does not draw from a text alone", reason="unsupported_model"
        ) from error
    finally:
        run.close()


Asked: TypeAlias = ImageGenerationInput | VideoGenerationInput
"""Messages of requests."""


def check_guidance(message: Asked, facts: DiffusionFacts) -> None:
    """Refuses what would change nothing.

    Raises:
        InvalidInputError: of the guidance or what is not to be seen, it names the one.
    """
    for field in ("negative_prompt", "guidance_scale"):
        if message.HasField(field) and field not in facts.honoured:
            raise changes_nothing(field, facts)
    guidance = message.guidance_scale if message.HasField("guidance_scale") else facts.guidance_scale
    if message.HasField("negative_prompt") and guidance <= 1:
        raise InvalidInputError.at(
            "negative_prompt",
            "{field} changes nothing without a {guidance} above 1",
            guidance=Field("guidance_scale"),
            reason=UNSUPPORTED,
        )


def changes_nothing(field: str, facts: DiffusionFacts) -> InvalidInputError:
    """The refusal of a field that the pipeline passes over."""
    return InvalidInputError.at(
        field, "{field} changes nothing in the pipeline {name}", name=facts.pipeline, reason=UNSUPPORTED
    )


def refuse_input(kind: str, facts: DiffusionFacts) -> NoReturn:
    """Refuses what a model cannot begin from.

    Args:
        kind: `text`, `image` or `mask`.
        facts: of the model.

    Raises:
        InvalidInputError: always.
    """
    if kind == "text":
        needed = "an image and a mask" if facts.inputs == {"mask"} else "an image"
        raise InvalidInputError.at("image", "{field} is missing: the model draws from {needed}", needed=needed)
    what = "an image" if kind == "image" else "an image and a mask"
    raise InvalidInputError.at(
        kind,
        "{field}: the pipeline {name} does not draw from {what}",
        name=facts.pipeline,
        what=what,
        reason=UNSUPPORTED,
    )


def check_sides(width: int, height: int, facts: DiffusionFacts) -> None:
    """Refuses sides that the model cannot draw; 0 is the model's own."""
    for field, side in (("width", width), ("height", height)):
        if side % facts.multiple:
            raise InvalidInputError.at(
                field,
                "{field} is {side:,}; with this model it must be a multiple of {multiple}",
                side=side,
                multiple=facts.multiple,
            )


def check_positions(width: int, height: int, facts: DiffusionFacts, field: str = "") -> None:
    """Refuses a size that is past the model's table of positions.

    Args:
        width: of what would be drawn.
        height: the same.
        facts: of the model.
        field: that the size comes from, such as `image`; empty for the one that is too long.
    """
    for name, side in (("width", width), ("height", height)):
        if facts.max_side and side > facts.max_side:
            raise InvalidInputError.at(
                field or name,
                "{field}: {width:,} × {height:,} pixels would be drawn; the model takes at most {most:,} on a side",
                width=width,
                height=height,
                most=facts.max_side,
            )


def check_prompts(message: Asked, model: DiffusionModel) -> None:
    """Refuses texts of which the model would read the beginning alone."""
    for field in ("prompt", "negative_prompt"):
        if (found := model.excess(getattr(message, field))) is not None:
            count, limit = found
            raise InvalidInputError.at(
                field,
                "{field} has {count:,} tokens; the model reads at most {limit:,}",
                reason="context_length_exceeded",
                count=count,
                limit=limit,
            )


class Drawing:
    """What one request has running, step by step.

    Args:
        model: that draws.
    """

    def __init__(self, model: DiffusionModel) -> None:
        self._model = model
        self._run: DiffusionRun | None = None
        self._over = threading.Event()

    def step(self, request: DiffusionRequest, index: int) -> Drawn | messages.DiffusionProgress | None:
        """A step of what is drawn, or what was drawn; None when it was ended.

        Args:
            request: the same one until it is drawn.
            index: of it among those of the caller.
        """
        run = self._run or self._model.begin(request)
        self._run = run
        if self._over.is_set():  # it was closed before there was a run to end
            run.close()
            return None
        try:
            drawn = run.step()
        except PanopeError:
            if self._over.is_set():  # which ended it, and nobody asks why
                return None
            raise
        if drawn is None:
            return messages.DiffusionProgress(index=index, step=min(run.done, run.steps), steps=run.steps)
        self._run = None
        return drawn

    def close(self) -> None:
        """Ends what is drawn now, from any thread."""
        self._over.set()
        if (run := self._run) is not None:
            run.close()


def facts_message(facts: DiffusionFacts) -> messages.DiffusionFacts:
    """What the server is told."""
    return messages.DiffusionFacts(
        pipeline=facts.pipeline,
        inputs=sorted(facts.inputs),
        honoured=sorted(facts.honoured),
        multiple=facts.multiple,
        width=facts.width,
        height=facts.height,
        steps=facts.steps,
        guidance_scale=facts.guidance_scale,
        checks_safety=facts.checks_safety,
        frames=facts.frames if facts.makes_video else 0,
        frames_multiple=facts.frames_multiple if facts.makes_video else 0,
        frames_per_second=facts.frames_per_second,
    )
