"""Seeded images that tasks are measured with."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont


def photographs(count: int, size: tuple[int, int] = (640, 480)) -> list[bytes]:
    """Seeded images with smooth colours, as JPEG files."""
    made = []
    for seed in range(count):
        small = Image.fromarray(np.random.default_rng(seed).integers(0, 255, (12, 16, 3), np.uint8))
        made.append(_jpeg(small.resize(size, Image.Resampling.BICUBIC)))
    return made


def pages(count: int) -> list[bytes]:
    """Letters of a dozen lines, as JPEG files."""
    from tests.backends.tasks.ocr.test_real_ocr import FONT, LETTER

    made = []
    for seed in range(count):
        image = Image.new("RGB", (900, 600), "white")
        pen, font = ImageDraw.Draw(image), ImageFont.truetype(FONT, 22)
        for at in range(12):
            pen.text((30, 20 + 46 * at), f"{LETTER[(at + seed) % len(LETTER)]} {seed}.{at}", "black", font)
        made.append(_jpeg(image))
    return made


def _jpeg(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue()
