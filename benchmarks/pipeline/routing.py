"""Deals the calls of a simulated alias by a bandit: the parts of three targets, what learning costs, and of a call.

Run: `.venv/bin/python -m benchmarks.pipeline.routing --svg docs/routing.svg`. The same seed draws the same chart.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from panope_registry.models.routes import Metric, PolicyKind, Route, RoutePolicy, RouteTarget
from panope_registry.serving_records.route_statistics import Moments, RouteId, StatisticKey
from panope_server.runtime.names import NamedRoute
from panope_server.runtime.routing.observations import RouteObservations
from panope_server.runtime.routing.router import Router, Unit

MEDIANS = {"cpu, float32": 0.060, "openvino, bf16": 0.012, "openvino, int8": 0.020}
"""Seconds of a call, log-normal with a spread of 0.4."""
SLOWED, SLOWED_AT = "openvino, bf16", 3000
CALLS, PER_SECOND, HALF_LIFE_SECONDS = 8000, 50.0, 20.0
COLOURS = ("#888888", "#0b7a75", "#d17b0f")
WIDTH, HEIGHT, LEFT, BOTTOM = 720, 260, 46, 34


class NoSums:
    """Nobody else has observed anything."""

    def add(self, observed: Mapping[StatisticKey, Moments], half_lives: Mapping[RouteId, float]) -> None:
        """Takes nothing."""

    def of(self, half_lives: Mapping[RouteId, float]) -> dict[StatisticKey, Moments]:
        """Knows nothing."""
        return {}


def simulate() -> tuple[list[dict[str, float]], Counter[str], float]:
    """The parts after each hundred calls, who got the calls, and the seconds that deciding took."""
    policy = RoutePolicy(PolicyKind.BANDIT, Metric.LATENCY, half_life_seconds=HALF_LIFE_SECONDS)
    named = NamedRoute("prod", 1, Route(tuple(RouteTarget(name) for name in MEDIANS), policy))
    seconds = 0.0
    source = random.Random(5)
    observations = RouteObservations(NoSums(), lambda: seconds)
    router = Router(observations, clock=lambda: seconds)
    parts, counts, spent = [], Counter[str](), 0.0
    for number in range(CALLS):
        seconds += 1 / PER_SECOND
        if number % 100 == 0:  # a server that writes and reads each second ages what it knows
            asyncio.run(observations.follow(named))
            parts.append(dict(router.parts(named)))
        started = time.process_time()
        target = router.decide(named, Unit("request", str(number))).target
        spent += time.process_time() - started
        counts[target] += 1
        median = MEDIANS[target] * (5 if target == SLOWED and number >= SLOWED_AT else 1)
        observations.observe(named, target, Metric.LATENCY, median * source.lognormvariate(0, 0.4))
        if number % int(PER_SECOND) == 0:
            _age(observations)
    return parts, counts, spent


def _age(observations: RouteObservations) -> None:
    """What a flush does to the age of observations, without a registry."""
    pending = observations._pending  # noqa: SLF001 - a registry would keep them
    part = 0.5 ** (1 / HALF_LIFE_SECONDS)
    observations._pending = {key: moments.aged(part) for key, moments in pending.items()}  # noqa: SLF001


def chart(parts: Sequence[Mapping[str, float]]) -> str:
    """The parts as lines, in SVG."""
    width, height = WIDTH - LEFT - 12, HEIGHT - BOTTOM - 12

    def x(number: float) -> float:
        return LEFT + width * number / (len(parts) - 1)

    def y(part: float) -> float:
        return 12 + height * (1 - part)

    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
            'font-size="12">'
        ),
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for part in (0.0, 0.5, 1.0):
        lines.append(f'<line x1="{LEFT}" x2="{LEFT + width}" y1="{y(part):.1f}" y2="{y(part):.1f}" stroke="#ddd"/>')
        lines.append(f'<text x="{LEFT - 8}" y="{y(part) + 4:.1f}" text-anchor="end">{part:.0%}</text>')
    at = x(SLOWED_AT / 100)
    lines.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="12" y2="{y(0):.1f}" stroke="#b00" stroke-dasharray="4"/>')
    lines.append(f'<text x="{at + 6:.1f}" y="26" fill="#b00">{SLOWED} becomes five times as slow</text>')
    for (name, median), colour in zip(MEDIANS.items(), COLOURS, strict=True):
        points = " ".join(f"{x(number):.1f},{y(each[name]):.1f}" for number, each in enumerate(parts))
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        place = list(MEDIANS).index(name)
        lines.append(
            f'<text x="{LEFT + width - 4}" y="{y(0.55) + 18 * place:.1f}" text-anchor="end" fill="{colour}">'
            f"{name}: {median * 1000:.0f} ms</text>"
        )
    lines.append(f'<text x="{LEFT}" y="{HEIGHT - 10}">first call</text>')
    lines.append(f'<text x="{LEFT + width}" y="{HEIGHT - 10}" text-anchor="end">call {CALLS:,}</text>')
    return "\n".join([*lines, "</svg>", ""])


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--svg", type=Path, help="where to draw the parts")
    arguments = parser.parse_args()
    parts, counts, spent = simulate()
    for name, count in counts.items():
        print(f"{name}: {count / CALLS:.1%} of the calls")
    print(f"a decision: {spent / CALLS * 1e6:.0f} µs of CPU")
    if arguments.svg:
        arguments.svg.write_text(chart(parts))


if __name__ == "__main__":
    main()
