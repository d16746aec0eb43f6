"""Tasks that packages bring: those that can be used are registered, the others are logged and left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from structlog.testing import capture_logs

from panope_server.tasks import catalog
from panope_server.tasks.catalog import GROUP, register_installed, task_named, tasks
from panope_server.tasks.embed import EmbedInput
from panope_server.tasks.task import Input, Output, Task
from panope_server.tasks.tokenize import DetokenizeOutput, DetokenizeTask


class HumInput(Input):
    __slots__ = ()


class HumTask(Task[HumInput, Output]):
    """A task that can be registered."""

    name = "hum"
    input_type = HumInput

    def encode(self, task_input: HumInput) -> bytes:
        return b""

    def decode(self, data: bytes) -> Output:
        return Output()


class Renamed(HumTask):
    name = "sing"


class OfOthersInput(HumTask):
    name = "whistle"
    input_type = EmbedInput


class Own(HumTask):
    name = "embed"


NO_TASK = "a text"


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[Any]]]:
    """Registers what packages bring by these entry points; the tasks that were logged as failed."""
    monkeypatch.setattr(EntryPoint, "load", lambda point: globals()[point.value])
    for table in ("_BY_NAME", "_BY_INPUT"):
        monkeypatch.setattr(catalog, table, dict(getattr(catalog, table)))

    def make(**values: str) -> list[Any]:
        points = [EntryPoint(name, value, GROUP) for name, value in values.items()]
        monkeypatch.setattr(catalog, "entry_points", lambda group: points if group == GROUP else [])
        with capture_logs() as lines:
            register_installed()
        return [line["task"] for line in lines if line["event"] == "task_registration_failed"]

    return make


def test_a_package_s_task_is_known_by_its_name_and_its_input(install: Any) -> None:
    assert install(hum="HumTask") == []
    assert isinstance(task_named("hum"), HumTask)
    assert catalog.task_of(HumInput()).name == "hum"
    assert install(hum="HumTask") == [], "a second look changes nothing"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("embed", "Own"),
        ("hum", "Renamed"),
        ("whistle", "OfOthersInput"),
        ("hum", "NO_TASK"),
        ("hum", "gone"),
    ],
)
def test_a_task_that_cannot_be_used_is_logged_and_left_out(install: Any, name: str, value: str) -> None:
    before = tasks()
    assert install(**{name: value, "hum2": "HumTask"}) == [name, "hum2"]
    assert tasks() == before


def test_another_package_cannot_take_a_task_s_name(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    install(hum="HumTask")

    class Other(HumTask):
        input_type = type("OtherInput", (Input,), {})

    monkeypatch.setattr(EntryPoint, "load", lambda _: Other)
    assert install(hum="Other") == ["hum"]
    assert type(task_named("hum")) is HumTask


def test_a_task_without_join_has_answers_of_one_part() -> None:
    with pytest.raises(Exception, match="2 parts of an answer that has one"):
        DetokenizeTask().join([DetokenizeOutput([]), DetokenizeOutput([])])
