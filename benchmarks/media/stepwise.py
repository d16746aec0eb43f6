"""Tasks that run step by step, one after the other: Panope over gRPC against the raw engine's loop; see `raw_loop`.

    python -m benchmarks.media.stepwise [TASK …] [--rounds 3] [--items 8]

Frames between others are made by a tiny seeded RIFE, images by a seeded toy of Stable Diffusion: their
steps compute little, so that what Panope adds to a step weighs more here than with models of use. The loop reads and
writes the files too.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.media.raw_loop import Case, run
from panope_server.tasks.vision.frame_interpolation import FrameInterpolationInput, FrameInterpolationTask
from panope_server.tasks.vision.image_generation import ImageGenerationInput, ImageGenerationTask

FRAMES, WIDTH, HEIGHT = 12, 320, 240
STEPS, SIDE = 4, 64


def write_frames(folder: Path) -> str:
    """A graph that moves frames, as RIFE does."""
    from tests.frame_graphs import write_rife

    write_rife(folder)
    return f"RIFE, tiny and seeded, {FRAMES} frames of {WIDTH} × {HEIGHT}"


def write_pipeline(folder: Path) -> str:
    """Diffusion of tiny layers."""
    from panope_backends.testing.vision.diffusion import tiny_pipeline

    tiny_pipeline(folder)
    return f"Stable Diffusion, tiny and seeded, {STEPS} steps, {SIDE} × {SIDE}"


def films(count: int) -> list[bytes]:
    """Videos without loss, so that reading them is work."""
    from tests.backends.tasks.frame_interpolation.videos import lossless, moving

    return [lossless(moving(FRAMES, WIDTH, HEIGHT))] * count


def prompts(count: int) -> list[str]:
    """One for each image."""
    return [f"a fox beside {number} trees" for number in range(count)]


def drawn(asked: Sequence[str]) -> ImageGenerationInput:
    """What is drawn of a prompt."""
    return ImageGenerationInput(asked[0], width=SIDE, height=SIDE, steps=STEPS, seed=7)


CASES = {
    "interpolate": Case(
        write_frames,
        lambda client, films, model: client.interpolate_video(films[0], model),
        FrameInterpolationTask(),
        lambda films: FrameInterpolationInput(films[0]),
        films,
        most=1,
        backend="cpu",
        kind="onnx",
    ),
    "draw": Case(
        write_pipeline,
        lambda client, asked, model: client.generate_images(
            asked[0], model, width=SIDE, height=SIDE, steps=STEPS, seed=7
        ),
        ImageGenerationTask(),
        drawn,
        prompts,
        most=1,
        backend="cpu",
        kind="safetensors",
    ),
}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", choices=[*CASES, []], default=[])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--items", type=int, default=8)
    options = parser.parse_args()
    for name in options.tasks or CASES:
        run(name, CASES[name], options.items, options.rounds, Console(width=110))


if __name__ == "__main__":
    main()
