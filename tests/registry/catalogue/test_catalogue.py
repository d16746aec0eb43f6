"""The catalogue of architectures, as it is read."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

import panope_registry.catalogue
from panope_backends.errors import InvalidInputError
from panope_registry.catalogue import read_catalogue, read_part


def test_totals_count_architectures_once_by_the_best_of_their_tasks() -> None:
    catalogue = read_catalogue()
    told = json.loads(files(panope_registry.catalogue).joinpath("catalogue.json").read_text())["totals"]
    totals = catalogue.totals
    assert {"recognised": totals.recognised, "loads": totals.loads, "serves": totals.serves} == told
    assert len({entry.model_type for entry in catalogue.entries}) > totals.recognised > totals.loads > totals.serves > 0


def test_what_serves_loads_and_what_loads_is_recognised_and_only_that_needs_no_reason() -> None:
    for entry in read_catalogue().entries:
        assert entry.loads >= entry.serves
        assert entry.recognised >= entry.loads
        assert entry.recognised == bool(entry.task)
        assert bool(entry.reason) != entry.serves


def test_a_part_has_one_task_and_what_one_backend_supports() -> None:
    part = read_part(task="embed", backend="openvino")
    assert part.tasks == ["embed"]
    assert {entry.backends["openvino"].level for entry in part.entries} <= {"full", "partial"}
    assert 0 < part.totals.serves < read_catalogue().totals.serves


@pytest.mark.parametrize(("field", "value"), [("task", "dance"), ("backend", "abacus")])
def test_what_the_catalogue_lacks_is_refused_by_name(field: str, value: str) -> None:
    with pytest.raises(InvalidInputError, match=f"`{field}` must be one of") as caught:
        read_part(**{field: value})
    assert caught.value.field == field
