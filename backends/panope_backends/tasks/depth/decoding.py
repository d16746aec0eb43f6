"""How far away each pixel is, from what models of depth give: transformers' post-processing, in NumPy.

Sources: `post_process_depth_estimation` of transformers 5. DPT, Depth Anything and GLPN give a map that is brought to
the size of the image by cubic convolution, CHMv2 and TIPSv2 one that is brought there by straight lines. ZoeDepth's is
of the image with a frame around it, as its processor makes one, which is cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from panope_backends.errors import PreconditionError
from panope_backends.tasks.depth.bicubic import Floats, bicubic
from panope_backends.tasks.depth.linear import linear
from panope_backends.tasks.json_files import shown

Decode = Callable[[Floats, int, int], Floats]
"""From a model's map, rows × columns, and an image's height and width to the map of the image."""

METRE, INVERSE, UNKNOWN = "metre", "inverse", ""
"""What the values of a map mean, as the worker's message has it."""

_RESIZED = frozenset({"dpt", "depth_anything", "prompt_depth_anything", "glpn"})
_BY_LINES = "tipsv2_dpt"
_BY_LINES_TO_CORNERS = "chmv2"
_ZOE = "zoedepth"

#: Of ZoeDepth's frame: so many times the root of half a side.
_FRAME = 3


def decoder_for(config: Mapping[str, Any], processor: Any) -> Decode:
    """What makes maps of the size of images.

    Args:
        config: the model's config.json.
        processor: of transformers, whose settings count.

    Raises:
        PreconditionError: nothing is known of the maps of its kind.
    """
    kind = str(config.get("model_type"))
    if kind in _RESIZED:
        return bicubic
    if kind in (_BY_LINES, _BY_LINES_TO_CORNERS):
        return partial(linear, to_corners=kind == _BY_LINES_TO_CORNERS)
    if kind == _ZOE:
        return _framed if processor.do_pad else bicubic
    raise PreconditionError(f"how the maps of `{shown(kind)}` become depth is not known here")


def unit_of(config: Mapping[str, Any]) -> str:
    """What a model's values mean, as far as config.json says.

    GLPN and ZoeDepth are made for metres. Depth Anything says which it is. DPT was published by MiDaS for inverse
    depth, and with DINOv2 as its backbone for metres of data sets that config.json does not tell of.
    """
    kind = config.get("model_type")
    if kind in ("glpn", _ZOE, _BY_LINES_TO_CORNERS):
        return METRE
    if kind in ("depth_anything", "prompt_depth_anything"):
        return METRE if config.get("depth_estimation_type") == "metric" else INVERSE
    backbone = config.get("backbone_config")
    is_dinov2 = isinstance(backbone, dict) and backbone.get("model_type") == "dinov2"
    return INVERSE if kind == "dpt" and not is_dinov2 else UNKNOWN


def _framed(values: Floats, height: int, width: int) -> Floats:
    down, across = (int(np.sqrt(side / 2) * _FRAME) for side in (height, width))
    whole = bicubic(values, height + 2 * down, width + 2 * across)
    return whole[down : down + height, across : across + width]
