"""Every model of the zoo is served like sentence-transformers serves it, or refused by name; none is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from zoo_models.architectures import ARCHITECTURES
from zoo_models.case import Case
from zoo_models.clip import CLIP_MODELS
from zoo_models.layouts import LAYOUTS
from zoo_models.routers import ROUTERS
from zoo_models.serving import ENGINES, outcome_on, quiet, reference_of
from zoo_models.sparse import SPARSE_ENCODERS
from zoo_models.static import STATIC_TABLES
from zoo_models.tokenizer_settings import TOKENIZER_SETTINGS
from zoo_models.words import WORD_MODELS

# Two libraries, a conversion and two engines, on whatever machine this is.
pytestmark = pytest.mark.timeout(600)

CASES = (
    *ARCHITECTURES,
    *TOKENIZER_SETTINGS,
    *LAYOUTS,
    *STATIC_TABLES,
    *WORD_MODELS,
    *SPARSE_ENCODERS,
    *ROUTERS,
    *CLIP_MODELS,
)

#: In the quick run: some for kinds of faults that were answered wrongly once. Each costs two conversions.
SAMPLE = frozenset(
    {
        "convbert",  # padding reaches the text
        "bert: cased",  # tokenizer_config.json says other than tokenizer.json
        "key: fill-mask",
        "layers: all",
        "static: model2vec",
        "words: weighed, convolved, recurrent",
        "sparse: bert",
        "router: table for queries",
        "clip: dense, normalised",
    }
)


def shown(case: Case) -> object:
    return pytest.param(case, id=case.name, marks=[] if case.name in SAMPLE else [pytest.mark.slow])


@pytest.mark.parametrize("case", [shown(case) for case in CASES])
def test_a_model_is_served_like_the_library_or_refused_by_name(case: Case, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    with quiet():
        case.write(folder)
    expected = {"": np.ones((1, 1), np.float32)}
    if not case.refused:
        expected = reference_of(folder, remembers=case.remembers, purposes=case.purposes)
    outcomes = {
        engine: outcome_on(engine, folder, tmp_path / engine, expected, case.truncation, case.grants)
        for engine in ENGINES
    }
    words = {engine: outcome.word for engine, outcome in outcomes.items()}
    if case.refused:
        assert set(words.values()) == {"refused"}, outcomes
    else:
        # A server whose conversion is refused takes the next way, which is the cpu engine.
        assert words["cpu"] == "same", outcomes
        assert words["openvino"] in ("same", "refused"), outcomes


def test_the_zoo_holds_a_hundred_models_and_more() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) >= 100
    assert set(names) >= SAMPLE
