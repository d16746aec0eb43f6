"""Skills: what their methods may ask for, what their handlers may give, and what is said of those that fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panope_backends.api import Backend, EmbeddingModel, EmbeddingRequest, LoadOptions, ModelFacts, TensorModel
from panope_backends.engines.python.backend import PythonBackend
from panope_backends.errors import InternalError, InvalidInputError, PanopeError, PreconditionError
from panope_backends.testing import EmbeddingModelContract
from panope_backends.testing.python_models import SKILL_CODE, embedding_skill


class TestSkill(EmbeddingModelContract):
    @pytest.fixture
    def backend(self) -> Backend:
        return PythonBackend()

    @pytest.fixture
    def model(self, tmp_path: Path) -> ModelFacts:
        return embedding_skill(tmp_path)


class TestOfOneTextAtATime(TestSkill):
    @pytest.fixture
    def model(self, tmp_path: Path) -> ModelFacts:
        code = SKILL_CODE.replace("batch = [text] if isinstance(text, str) else text", "batch = [text[:0] + text]")
        return embedding_skill(tmp_path, code)


def skill(folder: Path, init: str, task: str = "", more: str = "") -> Any:
    """A loaded skill whose `init_cpu` is given."""
    folder.mkdir(exist_ok=True)
    (folder / "hf_x.py").write_text(f"class hf_x:\n    {init}\n    {more}\n")
    return PythonBackend().load(
        ModelFacts("a/b", "python", task, grants=("remote_code",)), folder, "CPU", LoadOptions()
    )


def asked(model: TensorModel, *texts: str) -> list[Any]:
    found = model.run({"text": np.array([text.encode() for text in texts], object)})["result"]
    model.close()
    return [json.loads(each) for each in found]


def test_a_method_gets_what_it_asks_for_by_its_parameters_names(tmp_path: Path) -> None:
    init = (
        "def init_cpu(self, model_name, device, cpu_label, extra=7): self.told = [model_name, device, cpu_label, extra]"
    )
    more = """
    def __init__(self, resources, metadata): assert resources == metadata == {}
    def create_cpu_chat_endpoint_handler(self, endpoint_model, hardware_label, **kwargs):
        return lambda text: [text, *self.told, endpoint_model, hardware_label]"""
    (answer,) = asked(skill(tmp_path, init, more=more), "hello")
    assert answer == ["hello", str(tmp_path), "cpu", "cpu:0", 7, str(tmp_path), "cpu:0"]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("{'label': 'good', 'score': np.float32(0.5)}", {"label": "good", "score": 0.5}),
        ("np.eye(2)", [[1, 0], [0, 1]]),
        ("torch.ones(2, dtype=torch.bfloat16)", [1, 1]),
        ("(None, True, 'a')", [None, True, "a"]),
    ],
)
def test_answers_are_told_in_json(tmp_path: Path, answer: str, told: object) -> None:
    init = f"""def init_cpu(self):
        import numpy as np, torch
        return None, None, lambda text: {answer}"""
    assert asked(skill(tmp_path, init), "x", "y") == [told, told]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("{'success': False, 'error': '/secret'}", "the model's own code says that it failed"),
        ("{1, 2}", "gives a set, which is no answer in JSON"),
        ("1 / 0", "the model's own code failed: ZeroDivisionError"),
    ],
)
def test_a_handler_that_fails_is_told_without_its_words(tmp_path: Path, answer: str, told: str) -> None:
    model = skill(tmp_path, f"def init_cpu(self): return None, None, lambda text: {answer}")
    with pytest.raises(InternalError) as caught:
        asked(model, "x")
    assert told in caught.value.message
    assert "secret" not in caught.value.message
    model.close()


@pytest.mark.parametrize("answer", ["None", "'text'", "[]", "[float('nan')]", "[[[1]]]", "[[1], [1, 2]]", "{'x': [1]}"])
def test_vectors_that_are_none_are_refused(tmp_path: Path, answer: str) -> None:
    init = f"def init_cpu(self): return None, None, lambda text: {answer}"
    with pytest.raises(InternalError, match="vectors"):
        skill(tmp_path, init, "embed")


def test_a_text_that_is_no_text_is_refused(tmp_path: Path) -> None:
    model = skill(tmp_path, "def init_cpu(self): return None, None, str.upper")
    with pytest.raises(InvalidInputError, match=r"`inputs\[text\]` has a text that is no UTF-8"):
        model.run({"text": np.array([b"\xff"], object)})
    model.close()


@pytest.mark.parametrize(
    ("init", "told"),
    [
        ("def init_cpu(self, gpu_count): ...", "`init_cpu` asks for `gpu_count`, which is not known here"),
        ("def init_cuda(self): ...", "has neither `init_cpu` nor `init`"),
        ("def init_cpu(self): ...", "has no method `create_cpu_…_endpoint_handler`"),
        ("def init_cpu(self): return None, None, None, [], 0", "`init_cpu` gave no model"),
        ("def init_cpu(self): raise OSError('/secret')", "the model's own code cannot be loaded: OSError"),
        ("def init_cpu(self): import nothing_like_it", "the module `nothing_like_it` is not installed"),
    ],
)
def test_a_skill_that_cannot_be_loaded_says_why(tmp_path: Path, init: str, told: str) -> None:
    with pytest.raises(PanopeError) as caught:
        skill(tmp_path, init)
    assert told in caught.value.message
    assert "secret" not in caught.value.message


def test_two_skills_are_no_model(tmp_path: Path) -> None:
    (tmp_path / "hf_other.py").touch()
    with pytest.raises(PreconditionError, match="has 2 skills in place of one"):
        skill(tmp_path, "...")


def test_a_request_with_more_than_texts_is_refused_by_name(tmp_path: Path) -> None:
    facts = embedding_skill(tmp_path)
    model = PythonBackend().load(facts, tmp_path, "CPU", LoadOptions())
    assert isinstance(model, EmbeddingModel)
    with pytest.raises(InvalidInputError, match="`truncation` cannot be honoured"):
        model.embed(EmbeddingRequest(("a",), truncation="end"))
    model.close()
