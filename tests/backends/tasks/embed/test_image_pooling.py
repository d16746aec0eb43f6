"""One vector of what a model gives for an image."""

from __future__ import annotations

import numpy as np
import pytest

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.tasks.embed.images.pooling import ImagePooling

HIDDEN = np.arange(18, dtype=np.float32).reshape(6, 3)
POOLED = np.array([7, 8, 9], np.float32)
PIXELS = (3, 4, 6)


@pytest.mark.parametrize(
    ("config", "modes", "mean"),
    [
        (
            {"patch_size": 2},
            ("pooler", "patch_mean"),
            HIDDEN.mean(axis=0).tolist(),
        ),  # 2 × 3 patches: nothing before them
        ({"patch_size": [4, 2]}, ("pooler", "cls", "patch_mean"), HIDDEN[3:].mean(axis=0).tolist()),  # registers too
        ({"patch_size": 1}, ("pooler", "patch_mean"), HIDDEN.mean(axis=0).tolist()),  # patches are merged, as in Swin
        ({}, ("pooler", "patch_mean"), HIDDEN.mean(axis=0).tolist()),
    ],
)
def test_tokens_before_those_of_patches_are_left_out_of_their_mean(config, modes, mean):
    given = {"last_hidden_state": HIDDEN, "pooler_output": POOLED}
    pooling = ImagePooling(config, given, PIXELS)
    assert pooling.modes == pooling.choices == modes
    assert pooling.vector(given, "patch_mean").tolist() == mean
    assert pooling.vector(given, pooling.mode_of("")).tolist() == POOLED.tolist()
    if "cls" in modes:
        assert pooling.vector(given, "cls").tolist() == HIDDEN[0].tolist()


def test_a_map_of_a_convolution_has_a_token_for_each_place():
    given = {"last_hidden_state": HIDDEN.T.reshape(3, 2, 3)}
    pooling = ImagePooling({}, given, PIXELS)
    assert pooling.modes == ("patch_mean",)
    assert pooling.vector(given, "patch_mean").tolist() == HIDDEN.mean(axis=0).tolist()


def test_each_mode_tells_how_long_its_vectors_are():
    pooled_by_places = np.arange(12, dtype=np.float32).reshape(3, 2, 2)  # as TextNet gives it, of a map of 2 × 2 places
    pooling = ImagePooling({}, {"last_hidden_state": HIDDEN, "pooler_output": pooled_by_places}, PIXELS)
    assert pooling.dimensions == {"pooler": 12, "patch_mean": 3}


def test_patches_of_images_of_any_shape_have_no_mean_as_some_stand_for_nothing():
    given = {"last_hidden_state": HIDDEN, "pooler_output": POOLED}
    assert ImagePooling({"patch_size": 2}, given, (6, 12)).modes == ("pooler",)


def test_a_mode_that_the_model_has_not_is_refused_with_those_that_it_has():
    pooling = ImagePooling({}, {"image_embeds": POOLED}, PIXELS)
    assert pooling.choices == ()
    with pytest.raises(InvalidInputError, match="the model has `projection`"):
        pooling.mode_of("cls")
    with pytest.raises(PreconditionError, match="and not `last_hidden_state`"):
        ImagePooling({}, {"logits": POOLED}, PIXELS)
