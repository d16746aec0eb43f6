"""What the tasks that draw have in common: how their models are loaded, tried and told of."""

from __future__ import annotations

from panope.worker.v1 import diffusion_pb2 as messages
from panope_backends.api import DiffusionFacts, DiffusionModel, DiffusionRequest
from panope_backends.errors import PanopeError, PreconditionError
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.task import ModelSource

INDEX = "model_index.json"

#: A side of the image of the trial, about: large enough for every model's smallest picture.
_TRIAL_SIDE = 128


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
