"""A decoder runs over pages only where its steps answer as transformers; else it runs in another way, and right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from panope_backends.api import LoadOptions, StepBatch, StepModel, StepSequence
from panope_backends.engines.torch import CpuBackend
from panope_backends.testing.architectures import write_architecture
from panope_backends.testing.decoders import FAMILIES, reference_logits, tiny_decoder

TOKENS = [9, 17, 30, 11, 40, 12, 33, 21]


def loaded(folder: Path, model_type: str, class_name: str) -> StepModel:
    facts = write_architecture(folder, model_type, class_name, "generate")
    model = CpuBackend().load(facts, folder, "CPU", LoadOptions())
    assert isinstance(model, StepModel)
    return model


def stepped(model: StepModel) -> np.ndarray:
    """The text in two steps."""
    model.allocate(1)
    parts = [StepSequence(TOKENS[:5], 0, [0], range(5)), StepSequence(TOKENS[5:], 5, [0], range(3))]
    return np.concatenate([model.forward(StepBatch.of([part])) for part in parts])


@pytest.mark.parametrize(
    ("model_type", "class_name"),
    [
        ("camembert", "CamembertForCausalLM"),  # positions begin behind that of padding
        ("gptj", "GPTJForCausalLM"),  # attention of its own, which transformers refuses to replace
    ],
)
def test_what_pages_would_answer_wrong_or_not_at_all_runs_by_its_own_cache(
    tmp_path: Path, model_type: str, class_name: str
) -> None:
    model = loaded(tmp_path, model_type, class_name)
    assert not model.rewinds
    assert stepped(model) == pytest.approx(reference_logits(tmp_path, TOKENS), rel=1e-3, abs=1e-3)
    model.close()


def test_positions_that_no_text_can_have_are_not_counted(tmp_path: Path) -> None:
    model = loaded(tmp_path, "camembert", "CamembertForCausalLM")
    table = 128  # of which the first belongs to padding
    assert model.max_positions == table - 1
    model.close()


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_families_whose_attention_can_be_paged_are(tmp_path: Path, family: str) -> None:
    model = CpuBackend().load(tiny_decoder(tmp_path, family), tmp_path, "CPU", LoadOptions())
    assert isinstance(model, StepModel)
    assert model.rewinds
    model.close()
