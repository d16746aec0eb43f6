"""What Triton's models may rely on, and what is said of code that fails or answers wrongly."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from panope_backends.api import LoadOptions, ModelFacts, TensorModel
from panope_backends.engines.python.backend import PythonBackend
from panope_backends.errors import (
    AvailabilityError,
    InternalError,
    InvalidInputError,
    NotFoundError,
    PanopeError,
    PreconditionError,
)
from panope_backends.testing.python_models import CODE, CONFIG, executing, triton_model

X = {"x": np.ones((1, 2), np.float32)}
GIVE = "return [pb_utils.InferenceResponse([pb_utils.Tensor('doubled', x), pb_utils.Tensor('sum', {})])]"
SUM = "x.sum(1, keepdims=True).astype(float)"

Load = Callable[..., TensorModel]


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    loaded: list[TensorModel] = []

    def load(code: str = CODE, config: str = CONFIG, **files: str) -> TensorModel:
        facts = triton_model(tmp_path, code, config, {path.replace("__", "/"): text for path, text in files.items()})
        model = PythonBackend().load(facts, tmp_path, "CPU", LoadOptions())
        assert isinstance(model, TensorModel)
        loaded.append(model)
        return model

    yield load
    for model in loaded:
        model.close()


def test_a_model_learns_of_itself_and_finds_its_files(load: Load, tmp_path: Path) -> None:
    code = """
import json
import os
from pathlib import Path

import helper
import more.deep
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config):
        raise AssertionError("the configuration is complete")

    def initialize(self, args):
        config = json.loads(args["model_config"])
        assert config["max_batch_size"] == 8
        assert config["input"][0]["dims"] == [-1]
        assert config["parameters"]["scale"]["string_value"] == "3"
        assert (args["model_name"], args["model_version"], args["model_instance_kind"]) == ("test/code", "1", "CPU")
        weights = os.path.join(args["model_repository"], args["model_version"], "weights.txt")
        self.scale = float(Path(weights).read_text()) * helper.ONE * more.deep.ONE
        assert Path(pb_utils.get_model_dir()) == Path(weights).parent

    def execute(self, requests):
        x = pb_utils.get_input_tensor_by_name(requests[0], "x").as_numpy()
        assert pb_utils.get_input_tensor_by_name(requests[0], "y") is None
        assert requests[0].requested_output_names() == ["doubled"]
        answer = [pb_utils.Tensor("doubled", (x * self.scale).astype("float32"))]
        return [pb_utils.InferenceResponse(output_tensors=answer)]

    def finalize(self):
        Path(os.environ["ENDED"]).touch()
"""
    ended = tmp_path.parent / f"{tmp_path.name}-ended"
    config = CONFIG + 'parameters { key: "scale" value { string_value: "3" } }'
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENDED", str(ended))
        files = {"1__weights.txt": "5", "1__helper.py": "ONE = 1", "more__deep.py": "ONE = 1"}
        model = load(code, config, **files)
        assert model.run(X, ["doubled"])["doubled"].tolist() == [[5, 5]]
        model.close()
    assert ended.exists()
    assert not {"helper", "more.deep"} & sys.modules.keys()
    assert str(tmp_path / "1") not in sys.path
    assert not list(tmp_path.rglob("__pycache__"))


def test_the_highest_version_runs(load: Load) -> None:
    files = {"10__model.py": executing(GIVE.format("x.sum(1, keepdims=True) * 10.0").replace("32", "64"))}
    model = load("raise SystemExit", **files)
    with pytest.raises(InternalError, match="float32"):
        model.run(X)


def test_code_says_what_its_tensors_are_where_the_configuration_does_not(load: Load) -> None:
    code = (
        CODE
        + """
    @staticmethod
    def auto_complete_config(config):
        assert config.as_dict()["backend"] == "python"
        config.add_input({"name": "x", "data_type": "TYPE_FP32", "dims": [-1]})
        config.add_output({"name": "doubled", "data_type": "TYPE_FP32", "dims": [-1]})
        config.add_output({"name": "sum", "data_type": "TYPE_FP64", "dims": [1]})
        config.set_max_batch_size(4)
        config.set_dynamic_batching()
        return config
"""
    )
    model = load(code, 'backend: "python"')
    assert [(spec.name, spec.shape) for spec in model.inputs] == [("x", (-1, -1))]
    assert model.run(X)["sum"].tolist() == [[2]]
    with pytest.raises(InvalidInputError, match=r"has a batch of 5; the model takes at most 4"):
        model.run({"x": np.ones((5, 2), np.float32)})


def test_execute_may_be_a_coroutine(load: Load) -> None:
    code = CODE.replace("def execute", "async def execute").replace(
        "        responses = []", "        import asyncio\n        await asyncio.sleep(0)\n        responses = []"
    )
    assert load(code).run(X)["doubled"].tolist() == [[2, 2]]


def test_an_optional_input_may_be_left_out(load: Load) -> None:
    config = CONFIG.replace("dims: [ -1 ] } ]\noutput", 'dims: [ -1 ] }, { name: "scale" data_type: TYPE_FP32 '
                            "dims: 1 optional: true } ]\noutput")  # fmt: skip
    code = CODE.replace(
        "            doubled =",
        "            assert pb_utils.get_input_tensor_by_name(request, 'scale') is None\n            doubled =",
    )
    model = load(code, config)
    assert [spec.is_optional for spec in model.inputs] == [False, True]
    assert model.run(X)["doubled"].tolist() == [[2, 2]]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("raise ValueError('/secret/path')", "the model's own code failed: ValueError; the server's log has more"),
        ("raise SystemExit(3)", "the model's own code failed: SystemExit; the server's log has more"),
        ("return []", "answers one request with 0 responses in place of a list of one response"),
        ("return None", "answers one request with NoneType in place of a list of one response"),
        ("return [None]", "answers with a NoneType in place of an InferenceResponse"),
        ("return [pb_utils.InferenceResponse(['x'])]", "answers with a str in place of a Tensor"),
        ("return [pb_utils.InferenceResponse([])]", "does not give `doubled`, but nothing"),
        (GIVE.format(SUM + ".astype('f4')"), "gives `sum` as float32 of shape [1, 1], and should give float64"),
        (GIVE.format("np.ones((1, 2))"), "`sum` as float64 of shape [1, 2], and should give float64 of shape [1, 1]"),
        (GIVE.format("np.ones(())"), "gives `sum` as float64 of shape [], and should give"),
        (GIVE.format("np.ones((3, 1))"), "of shape [3, 1], and should give float64 of shape [1, 1]"),
        (GIVE.replace("'sum'", "'total'").format(SUM), "gives `total`, which its configuration does not have"),
        ("pb_utils.Tensor('sum', [1])", "the model's own code failed: TritonModelException of panope_backends"),
        ("requests[0].exec()", "the model's own code failed: TritonModelException of panope_backends"),
        ("pb_utils.MetricFamily()", "the model's own code failed: TritonModelException of panope_backends"),
    ],
)  # fmt: skip
def test_code_that_fails_is_told_without_its_words(load: Load, body: str, told: str) -> None:
    model = load(executing(body))
    for _ in range(2):
        with pytest.raises(InternalError) as caught:
            model.run(X)
        assert told in caught.value.message
        assert "/secret" not in caught.value.message


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("INVALID_ARG", InvalidInputError),
        ("NOT_FOUND", NotFoundError),
        ("UNAVAILABLE", AvailabilityError),
        ("UNSUPPORTED", PreconditionError),
        ("INTERNAL", InternalError),
        ("CANCELLED", InternalError),
    ],
)
def test_what_a_model_says_to_its_callers_reaches_them_as_it_means_it(
    load: Load, code: str, kind: type[PanopeError]
) -> None:
    error = f"pb_utils.TritonError('no rows,\\nor too many', pb_utils.TritonError.{code})"
    with pytest.raises(kind) as caught:
        load(executing(f"return [pb_utils.InferenceResponse(error={error})]")).run(X)
    assert type(caught.value) is kind
    assert caught.value.message == "the model says: no rows, or too many"


@pytest.mark.parametrize("text", ["__file__", "traceback.format_exc()", "str(Path.home() / '.ssh')"])
def test_what_a_model_says_of_this_machine_does_not(load: Load, text: str) -> None:
    body = f"""
        try:
            raise ValueError
        except ValueError:
            return [pb_utils.InferenceResponse(error=pb_utils.TritonError({text}))]"""
    model = load(executing(body.strip(), before="import traceback\nfrom pathlib import Path"))
    with pytest.raises(InternalError, match=r"^the model refuses the request; the server's log has more$"):
        model.run(X)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("raise ValueError('/secret')", "own code cannot be loaded: ValueError; the server's log has more"),
        ("import sys; sys.exit()", "cannot be loaded: SystemExit"),
        ("def x(:", "cannot be loaded: SyntaxError"),
        ("import nothing_like_it", "loaded: the module `nothing_like_it` is not installed where its worker runs"),
        ("class Other: ...", "has no class `TritonPythonModel` with a method `execute`"),
        ("class TritonPythonModel: ...", "has no class `TritonPythonModel` with a method `execute`"),
        (CODE.replace("config = json", "raise KeyError\n        config = json"), "cannot be loaded: KeyError"),
    ],
)  # fmt: skip
def test_code_that_cannot_be_loaded_is_told_without_its_words(load: Load, code: str, told: str) -> None:
    before = list(sys.path), set(sys.modules)
    with pytest.raises(PanopeError) as caught:
        load(code)
    assert told in caught.value.message
    assert "secret" not in caught.value.message
    assert sys.path == before[0]
    assert "model" not in sys.modules.keys() - before[1]


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ('backend: "python"', "says which inputs it has"),
        (CONFIG.replace("TYPE_FP64", "TYPE_BF16"), "has the type TYPE_BF16"),
        (CONFIG.replace("dims: [ 1 ]", "dims: [ 0 ]"), "a length is at least 1"),
        (CONFIG.replace('"sum"', '"doubled"'), "two tensors of one name"),
        (CONFIG.replace("dims: [ 1 ]", "dims: [ 1 ] reshape { shape: [ ] }"), "has another shape outside (`reshape`)"),
        (CONFIG + "model_transaction_policy { decoupled: true }", "(`decoupled`)"),
        (CONFIG.replace("8", "-1"), "`max_batch_size` is -1"),
        ("nonsense", "`config.pbtxt` cannot be honoured: line 1"),
    ],
)
def test_what_a_configuration_asks_for_and_is_not_done_is_named(load: Load, config: str, told: str) -> None:
    with pytest.raises(PreconditionError) as caught:
        load(CODE, config)
    assert told in caught.value.message


def test_it_runs_for_those_alone_that_an_admin_lets(tmp_path: Path) -> None:
    backend = PythonBackend()
    (device,) = backend.devices()
    triton_model(tmp_path, "raise AssertionError('it ran')")
    facts = ModelFacts("test/code", "python", grants=("pickles",))
    assert "`grants.remote_code` lists the model" in backend.supports(facts, device).reason
    with pytest.raises(PreconditionError, match=r"`grants\.remote_code` lists the model"):
        backend.load(facts, tmp_path, "CPU", LoadOptions())


def test_arrays_of_other_libraries_are_taken(load: Load) -> None:
    import torch

    body = GIVE.replace("pb_utils.Tensor('doubled', x)", "pb_utils.Tensor.from_dlpack('doubled', torch.from_numpy(x))")
    found = load(executing(body.format(SUM), before="import torch")).run(X)
    assert torch.from_numpy(found["doubled"]).sum() == 2


def test_texts_in_bytes_are_read_and_written_as_tritons(load: Load) -> None:
    body = f"""
        texts = np.array(["ä", b"\\x00", "x"], dtype=np.object_)
        found = pb_utils.deserialize_bytes_tensor(pb_utils.serialize_byte_tensor(texts))
        assert found.tolist() == ["ä".encode(), b"\\x00", b"x"]
        assert pb_utils.triton_string_to_numpy("TYPE_STRING") is np.object_
        assert pb_utils.triton_to_numpy_type(pb_utils.numpy_to_triton_type(np.float16)) is np.float16
        {GIVE.format(SUM)}"""
    assert load(executing(body.strip())).run(X)["sum"].tolist() == [[2]]
