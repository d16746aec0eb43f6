"""Backends that are preferred come first, what is busy comes later; another runs what they cannot, and says why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from selection_doubles import CPU, CUDA, GB, MADE, OPENVINO, SAFE, Here, measured

from panope_backends.errors import PreconditionError
from panope_server.config.sections.models import ModelsSettings
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.runtime.placement.possible import refuse_impossible_default, refuse_impossible_load
from panope_server.runtime.placement.selection.candidate import Candidate


def prefer(*backends: str) -> LoadConstraints:
    return LoadConstraints(preferred_backends=backends)


def backends(here: Here, constraints: LoadConstraints, **more: Any) -> list[str]:
    selection = here.choose([SAFE, MADE], constraints, **more)
    return [candidate.device.backend for candidate in selection.candidates]


def test_preferred_backends_come_in_their_order_before_all_others() -> None:
    here = Here(devices=[CUDA, OPENVINO, CPU])
    assert backends(here, LoadConstraints()) == ["torch-cuda", "openvino", "cpu"]
    assert backends(here, prefer("cpu", "openvino")) == ["cpu", "openvino", "torch-cuda"]
    fast = [measured(MADE, OPENVINO, 9000.0), measured(SAFE, CPU, 1.0)]
    assert backends(here, prefer("cpu"), profiles=fast)[0] == "cpu", "who prefers it was not asking for speed"
    selection = here.choose([SAFE, MADE], prefer("cpu"))
    assert "because its backend is preferred" in selection.reasons[0]


def test_what_a_preferred_backend_cannot_run_runs_on_another_and_the_reason_is_told() -> None:
    gone = replace(CUDA, available=False, reason="no NVIDIA driver was found")
    selection = Here(devices=[gone, OPENVINO, CPU]).choose([SAFE, MADE], prefer("torch-cuda", "openvino"))
    assert selection.candidates[0].device == OPENVINO
    assert selection.reasons[0].endswith("torch-cuda is preferred, but no NVIDIA driver was found")

    full = Here(devices=[CUDA, CPU], free={"torch-cuda": GB // 2}).choose([SAFE], prefer("torch-cuda"))
    assert full.candidates[0].device == CPU
    assert "torch-cuda is preferred, but needs 1.00 GB of memory and 500.0 MB are free" in full.reasons[0]

    last = Here(devices=[OPENVINO, CPU]).choose([SAFE], prefer("openvino"))
    assert last.candidates[0].device == OPENVINO, "by a conversion"


def test_a_backend_that_is_not_there_is_no_preference() -> None:
    with pytest.raises(PreconditionError, match="there is no backend `cuda` on this machine"):
        refuse_impossible_load([CPU], None, prefer("cpu", "cuda"))  # type: ignore[arg-type] # no model is looked at
    with pytest.raises(PreconditionError, match="there is no backend `tpu` on this machine"):
        refuse_impossible_default([CPU], "", "", ["tpu"])


def test_settings_may_prefer_for_all_models_for_a_vendors_and_for_one() -> None:
    settings = ModelsSettings(
        preferred_backends=("openvino",),
        preferred_backends_by_model=("acme/*=cpu", "acme/large=torch-cuda, openvino", "gpt2=cpu"),
    )
    assert settings.preferred_backends_of("other/x") == ("openvino",)
    assert settings.preferred_backends_of("acme/small") == settings.preferred_backends_of("gpt2") == ("cpu",)
    assert settings.preferred_backends_of("acme/large") == ("torch-cuda", "openvino")
    assert settings.named_backends == ("openvino", "cpu", "torch-cuda")


def busy_with(here: Here, **busy: float) -> Here:
    """The same machine, whose devices are so busy, by backend or name."""
    here.busy = lambda device: busy.get(device.name.replace(":", ""), busy.get(device.backend.replace("-", ""), 0.0))
    return here


def test_a_busy_device_counts_by_what_is_left_of_it() -> None:
    profiles = [measured(SAFE, CUDA, 1000.0), measured(SAFE, CPU, 300.0)]
    here = Here(devices=[CUDA, CPU])
    assert here.choose([SAFE], profiles=profiles).candidates[0].device == CUDA
    selection = busy_with(here, torchcuda=0.82).choose([SAFE], profiles=profiles)
    assert selection.candidates[0].device == CPU
    assert "it was measured at 300/s against 1,000/s, and 80% of the other's device is taken" in selection.reasons[0]
    assert busy_with(here, torchcuda=0.6).choose([SAFE], profiles=profiles).candidates[0].device == CUDA


def test_of_two_cards_alike_the_less_busy_is_taken_and_a_flicker_decides_nothing() -> None:
    other = replace(CUDA, name="cuda:1")
    here = Here(devices=[CUDA, other])
    first: Candidate = busy_with(here, cuda0=0.5, cuda1=0.1).choose([SAFE]).candidates[0]
    assert first.device == other
    assert busy_with(here, cuda0=0.04, cuda1=0.01).choose([SAFE]).candidates[0].device == CUDA
