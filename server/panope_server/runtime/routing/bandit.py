"""Thompson sampling: a target's part of the calls is the probability that it is the best, by what was observed.

What a call takes is positive and skewed, so latency and cost are learned as logarithms, normal with a mean and a
variance that nobody knows: the best target is the one that typically takes least (the geometric mean). Rewards, 0 to 1,
are learned as parts of successes (Agrawal and Goyal 2012). The priors, which what is observed soon outweighs:

- reward: Beta(1, 1), every mean as likely as another;
- latency and cost: one observation at the mean of all targets' observations, and a variance of about 0.5, which is a
  factor of 2 (normal-inverse-gamma with κ = 1, α = 1, β = 0.5).

Each probability is counted in draws rather than drawn for each call: it can be told and explained, users stay where
they are while it stays as it is, and it is drawn anew as observations come (batched Thompson sampling, Kalkanli and
Özgür 2021).
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from panope_registry.models.routes import Metric
from panope_registry.serving_records.route_statistics import Moments

DRAWS = 1024
"""Of each target. No part is 0, so that a target which gets better is seen to: the least is 1 in 1,025, divided among
the targets."""

_MEANS, _SHAPE, _SCALE = 1.0, 1.0, 0.5


def parts_of(metric: Metric, moments: Mapping[str, Moments], seed: int, alias: str) -> dict[str, float]:
    """The probability of each target to be the best, all together 1.

    Args:
        metric: rewards are the better the higher, all else the lower.
        moments: what was observed of each target; of latency and cost, natural logarithms.
        seed: of the draws.
        alias: whose targets they are.
    """
    targets = list(moments)
    if metric is Metric.REWARD:
        draws = np.stack([_rewards(moments[target], _generator(seed, alias, target)) for target in targets])
        best = draws.argmax(axis=0)
    else:
        middle = Moments()
        for each in moments.values():
            middle.add(each)
        draws = np.stack([_logarithms(moments[each], middle.mean, _generator(seed, alias, each)) for each in targets])
        best = draws.argmin(axis=0)
    wins = np.bincount(best, minlength=len(targets)) + 1 / len(targets)
    return dict(zip(targets, (wins / wins.sum()).tolist(), strict=True))


def _rewards(moments: Moments, generator: np.random.Generator) -> NDArray[np.float64]:
    successes = min(max(0.0, moments.total), moments.observations)
    return generator.beta(1 + successes, 1 + moments.observations - successes, DRAWS)


def _logarithms(moments: Moments, middle: float, generator: np.random.Generator) -> NDArray[np.float64]:
    """Draws of the mean of logarithms (Murphy 2007, §3: the posterior of a normal's mean is a Student's t)."""
    count, mean = moments.observations, moments.mean
    means = _MEANS + count
    shape = _SHAPE + count / 2
    scale = _SCALE + moments.deviations / 2 + _MEANS * count * (mean - middle) ** 2 / (2 * means)
    centre = (_MEANS * middle + count * mean) / means
    draws: NDArray[np.float64] = centre + generator.standard_t(2 * shape, DRAWS) * np.sqrt(scale / (shape * means))
    return draws


def _generator(seed: int, alias: str, target: str) -> np.random.Generator:
    words = "\0".join((str(seed), alias, target)).encode()
    return np.random.default_rng(int.from_bytes(blake2b(words, digest_size=16).digest()))
