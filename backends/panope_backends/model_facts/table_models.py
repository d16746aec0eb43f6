"""What engines and tasks both know of models that answer questions about tables (TAPAS).

Inputs:

    input_ids        int64    batch × tokens: of a question and of a table, row by row
    attention_mask   int64    batch × tokens
    token_type_ids   int64    batch × tokens × 7: whether it is of the table, its column, its row, whether it was of the
                              answer before, its rank in its column from the least and from the largest, and how it
                              relates to the numbers of the question

Output:

    logits           float32  batch × (tokens + aggregators): of being a part of the answer, and behind them of what is
                              to be done with the cells
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from panope_backends.errors import PreconditionError

TASK = "table-question-answer"
LOGITS = "logits"


def aggregators_of(config: Mapping[str, Any]) -> Sequence[str]:
    """The names of what a model says is to be done with cells, such as `SUM`; none for a model that does not say it.

    Raises:
        PreconditionError: config.json names others than it has.
    """
    count, names = config.get("num_aggregation_labels") or 0, config.get("aggregation_labels") or {}
    if not count or not names:
        return ()
    try:
        return [str(names[str(at)] if isinstance(names, Mapping) else names[at]) for at in range(count)]
    except (LookupError, TypeError):
        raise PreconditionError(
            "config.json does not name as many `aggregation_labels` as `num_aggregation_labels` says"
        ) from None


def no_aggregator_of(config: Mapping[str, Any]) -> int | None:
    """The position of the name that stands for nothing that is to be done; None where there is none."""
    found = config.get("no_aggregation_label_index")
    return found if isinstance(found, int) else None
