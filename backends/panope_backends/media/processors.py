"""What makes a model's arrays of images: the processors of transformers, by the model's preprocessor_config.json.

Most work on Pillow and NumPy, and transformers imports PyTorch wherever it finds it, which costs 400 MB and 4 s. So it
is hidden from a process whose engine has not imported it before, unless the processor is one of the few that exist for
torchvision alone: a model is loaded first, then its processor.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from panope_backends.errors import InvalidInputError, PreconditionError

FILES = ("preprocessor_config.json", "processor_config.json")
"""Either says how images become arrays."""

_TIMM = "pretrained_cfg"
"""In config.json, where timm's models say it."""


class ImageProcessor:
    """Makes arrays of images, of each by itself, so that no image changes what another becomes.

    Args:
        processor: of transformers.

    Attributes:
        processor: the same, for what it makes of a model's answers.
    """

    def __init__(self, processor: Any) -> None:
        self.processor = processor
        # That of timm's models makes PyTorch's tensors and nothing else.
        self._tensors = "pt" if type(processor).__name__.startswith("Timm") else "np"

    def arrays(self, image: Image.Image, field: str) -> dict[str, NDArray[Any]]:
        """The model's inputs by their names, without the batch's axis.

        Args:
            image: in RGB.
            field: of the request that holds it.

        Raises:
            InvalidInputError: nothing can be made of an image of this size.
        """
        return self._made(image, field)[0]

    def in_boxes(self, image: Image.Image, boxes: NDArray[np.float32], field: str) -> list[dict[str, NDArray[Any]]]:
        """As `arrays`, of each of several rectangles of an image, for models that look into such.

        Args:
            image: in RGB.
            boxes: left, top, right and bottom of each, in pixels.
            field: of the request that holds the image.

        Raises:
            InvalidInputError: nothing can be made of one.
        """
        return self._made(image, field, boxes=[as_coco(boxes).tolist()])

    def _made(self, image: Image.Image, field: str, **options: Any) -> list[dict[str, NDArray[Any]]]:
        try:
            made = self.processor(images=[image], return_tensors=self._tensors, **options)
        except MemoryError:
            raise
        except Exception:  # sizes that come to nothing, such as one pixel, fail anywhere in it
            width, height = image.size
            raise InvalidInputError.at(
                field,
                "{field} has {width:,} × {height:,} pixels, of which the model's processor makes nothing",
                width=width,
                height=height,
            ) from None
        arrays = {name: np.asarray(array) for name, array in made.items() if hasattr(array, "__array__")}
        count = min(map(len, arrays.values()), default=0)
        return [{name: np.ascontiguousarray(array[at]) for name, array in arrays.items()} for at in range(count)]


def as_coco(corners: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rectangles as COCO has them: left, top, width and height; of left, top, right and bottom."""
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)


def whole_of(image: Image.Image) -> NDArray[np.float32]:
    """An image as the only rectangle of itself."""
    return np.array([[0, 0, *image.size]], np.float32)


def load_image_processor(folder: Path, **changes: Any) -> ImageProcessor:
    """The processor that a model's folder describes.

    Args:
        folder: of the model.
        changes: of single values of its file.

    Raises:
        PreconditionError: there is no such file, or it asks for what is not here.
    """
    if not any((folder / name).is_file() for name in FILES) and not _is_timm(folder):
        raise PreconditionError(f"the model has no file `{FILES[0]}`", reason="missing_file")
    try:
        loaded = import_transformers(with_torch=_needs_torch(folder)).AutoImageProcessor.from_pretrained(
            folder, backend="pil", local_files_only=True, trust_remote_code=False, **changes
        )
    except PreconditionError:
        raise
    except Exception as error:  # files are checked by errors of no family
        raise PreconditionError(f"`{FILES[0]}` asks for a processor that is not here", reason="load_failed") from error
    return ImageProcessor(loaded)


def _is_timm(folder: Path) -> bool:
    """Whether config.json says what timm's models are given."""
    return isinstance(_content(folder / "config.json").get(_TIMM), dict)


def _content(file: Path) -> dict[str, Any]:
    """Of a JSON object; empty where there is none, which transformers then says by itself."""
    try:
        content = json.loads(file.read_bytes()) if file.is_file() else {}
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _needs_torch(folder: Path) -> bool:
    """Whether transformers has the kind of processor that the folder names for torchvision alone, by its files."""
    if "transformers" in sys.modules or "torch" in sys.modules:
        return False  # it is settled
    if _is_timm(folder):
        return True
    kind, package = _kind_of(folder), importlib.util.find_spec("transformers")
    if not kind or package is None or package.origin is None:
        return False
    models = Path(package.origin).parent / "models"
    if _is_defined(f"{kind}Pil", models.glob("*/image_processing_pil_*.py")):
        return False
    return _is_defined(kind, models.glob("*/image_processing_*.py"))


def _kind_of(folder: Path) -> str:
    """The class of the processor, without what computes it; empty where no file names one."""
    for name in FILES:
        content = _content(folder / name)
        for part in (content, content.get("image_processor")):
            named = part.get("image_processor_type") if isinstance(part, dict) else None
            if isinstance(named, str):
                return named.removesuffix("Fast").removesuffix("Pil")
    return ""


def _is_defined(name: str, files: Iterable[Path]) -> bool:
    line = f"class {name}(".encode()
    return any(line in file.read_bytes() for file in files)


def import_transformers(*, with_torch: bool = False) -> Any:
    """transformers; without PyTorch where neither has been imported yet, and then for the life of the process.

    Args:
        with_torch: whether PyTorch is left to it.

    Raises:
        PreconditionError: a package is not installed.
    """
    if not with_torch and "transformers" not in sys.modules and "torch" not in sys.modules:
        # What the import system takes for "there is none"; transformers looks once.
        sys.modules["torch"] = None  # type: ignore[assignment]  # the import system takes it, typeshed does not know
    try:
        return importlib.import_module("transformers")
    except ModuleNotFoundError as error:
        raise PreconditionError(
            f"the package `{error.name}` is not installed: pip install 'panope-serving[image]'", reason="not_installed"
        ) from None


def trial_image(seed: int = 0, size: int = 64) -> Image.Image:
    """An image to try models with: colours that change along both axes, in another way for each seed."""
    ramp = np.linspace(0, 255, size, dtype=np.uint8)
    across, down = np.meshgrid(ramp, np.roll(ramp, seed * 7))
    return Image.fromarray(np.roll(np.stack([across, down, 255 - across], axis=2), seed, axis=2))
