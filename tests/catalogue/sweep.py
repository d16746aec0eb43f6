"""Tries every architecture of transformers with every task of its classes, and writes down what became of each.

    python tests/catalogue/sweep.py                     what the committed file lacks, or has of other versions
    python tests/catalogue/sweep.py --again             everything
    python tests/catalogue/sweep.py --failed            what does not serve
    python tests/catalogue/sweep.py bert llama          of these types alone
    python tests/catalogue/sweep.py --supports          what backends say alone, of what is known

A model of each class is made tiny and seeded, inspected by the registry, loaded as a worker loads it on the cpu
backend, and asked through Panope's task; the answer is compared with the library called directly on the same weights.
It takes a quarter of an hour of one core, and goes on where it was ended.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

from sweeping.child import outcomes, warm
from sweeping.results import FILE, Results
from sweeping.support import config_of, supports
from sweeping.trial import Outcome, recognised_task

from panope_backends.testing.architectures import Entry, entries
from panope_registry.inspect.tasks import known


def classes(types: Collection[str]) -> dict[str, list[tuple[Entry, str]]]:
    """Of each type, one class for each task that the registry names; of a type without any, one class and no task."""
    found: dict[str, dict[str, Entry]] = defaultdict(dict)
    for entry in entries():
        if types and entry.model_type not in types:
            continue
        task = recognised_task(config_of(entry))
        if entry.class_name == known.likeliest_class(entry.model_type):
            found[entry.model_type][task] = entry
        found[entry.model_type].setdefault(task, entry)
    return {
        kind: [(entry, task) for task, entry in tasks.items() if task or len(tasks) == 1]
        for kind, tasks in found.items()
    }


def main() -> None:
    """Sweeps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("types", nargs="*", help="of transformers; all unless given")
    parser.add_argument("--again", action="store_true", help="what is known too")
    parser.add_argument("--failed", action="store_true", help="what is known not to serve")
    parser.add_argument("--supports", action="store_true", help="only what backends say, of what is known")
    parser.add_argument("--task", default="", help="of this task alone")
    parser.add_argument("--because", default="", help="of what does not serve: whose reason has this text")
    parser.add_argument("--out", type=Path, default=FILE, help="the file of results")
    asked = parser.parse_args()
    results = Results(asked.out)
    tried_types = classes(asked.types)
    if asked.supports:
        for entry, task in (pair for of_kind in tried_types.values() for pair in of_kind if pair[1]):
            results.renew(entry, task, supports(entry, task))
        results.write()
        return
    warm()
    for place, (kind, of_kind) in enumerate(tried_types.items(), 1):
        wanted = [
            (entry, task)
            for entry, task in of_kind
            if (not asked.task or task == asked.task)
            and (asked.again or asked.types or results.lacks(kind, task, failed=asked.failed, because=asked.because))
        ]
        if not wanted:
            continue
        begun = time.monotonic()
        for (entry, task), outcome in zip(wanted, _tried(wanted), strict=True):
            results.add(entry, task, outcome, supports(entry, task) if task else {})
            state = "serves" if outcome.serves else "loads" if outcome.loads else "recognised" if task else "-"
            sys.stdout.write(f"{place}/{len(tried_types)} {kind} {task or '-'} {state} {outcome.reason}\n")
        results.write()
        sys.stdout.write(f"  {time.monotonic() - begun:.1f} s\n")
        sys.stdout.flush()
    if not asked.types:
        results.keep({(kind, task) for kind, of_kind in tried_types.items() for _, task in of_kind})
    results.write()


def _tried(wanted: list[tuple[Entry, str]]) -> list[Outcome]:
    with_task = [(entry, task) for entry, task in wanted if task]
    found = iter(list(outcomes(with_task)))
    nothing = "the registry names no task for its classes"
    return [next(found) if task else Outcome(reason=nothing) for _, task in wanted]


if __name__ == "__main__":
    main()
