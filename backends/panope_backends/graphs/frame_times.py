"""Which frames a graph can make between two, asked by the worker that runs it and by the server before."""

from __future__ import annotations

from panope_backends.errors import InvalidInputError


def check_frame_times(factor: int, frames_per_second: float, *, takes_timestep: bool) -> None:
    """Refuses what a graph cannot make.

    Args:
        factor: how many frames for each that there was; 0 where the rate says it, or nothing does.
        frames_per_second: how many are shown in a second; 0 where the factor says it.
        takes_timestep: whether the graph makes any frame between two, or the one in the middle alone.

    Raises:
        InvalidInputError: the graph makes that in the middle alone, of which no such frames come.
    """
    if takes_timestep:
        return
    if frames_per_second:
        raise InvalidInputError.at(
            "frames_per_second",
            "{field}: the model makes the frame in the middle of two alone, which fits no rate; give a factor",
            reason="unsupported_field",
        )
    if factor & (factor - 1):
        raise InvalidInputError.at(
            "factor",
            "{field} is {factor}; the model makes the frame in the middle of two alone: give 2, 4, 8 or 16",
            factor=factor,
        )
