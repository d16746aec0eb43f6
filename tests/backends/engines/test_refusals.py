"""Whatever a converting library raises is a refusal of the model, without the library's words."""

from pathlib import Path

import numpy as np
import pytest

from panope_backends.engines.equivalence import Array, Arrays
from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.engines.openvino.runtime import import_compressor, import_converter
from panope_backends.engines.refusals import refused_as
from panope_backends.engines.torch import CpuBackend
from panope_backends.errors import CapacityError, InvalidInputError, PreconditionError
from panope_backends.testing.models import tiny_transformer

SECRET = "secret /path/of/something"


class LibraryError(Exception):
    """Of no family that Python knows, as OpenVINO's and NNCF's are."""


LibraryError.__module__ = "library.some.place"


RAISED = (LibraryError, RuntimeError, TypeError, IndexError, AttributeError, AssertionError, NotImplementedError)


@pytest.mark.parametrize("error", RAISED)
def test_any_error_of_a_library_is_a_refusal_by_its_kind_without_its_text(error: type[Exception]) -> None:
    with pytest.raises(PreconditionError) as refusal, refused_as("nobody can convert this model"):
        raise error(SECRET)
    assert refusal.value.reason == "conversion_failed"
    kind = "LibraryError of library" if error is LibraryError else error.__name__
    assert refusal.value.message == f"nobody can convert this model: {kind}; the log has more"
    assert isinstance(refusal.value.__cause__, error)


def test_a_result_that_does_not_take_a_text_is_no_fault_of_a_callers() -> None:
    with (
        pytest.raises(PreconditionError, match="it does not take what the original takes") as refusal,
        refused_as("no"),
    ):
        raise InvalidInputError("the inputs' shapes do not fit each other or the model", field="inputs")
    assert (refusal.value.reason, refusal.value.field) == ("conversion_failed", "")


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("std::bad_alloc"), CapacityError("full"), SystemExit(1)])
def test_what_is_no_fault_of_the_model_passes(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, refused_as("nobody can convert this model"):
        raise error
    assert caught.value is error


def raising(*_: object, **__: object) -> None:
    raise LibraryError(SECRET)


@pytest.mark.parametrize("target", ["openvino fp32", "openvino int8", "onnx fp32"])
def test_each_conversion_refuses_what_its_library_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    import torch

    _, converter = import_converter()
    _, nncf = import_compressor()
    if target != "openvino int8":
        monkeypatch.setattr(converter, "convert_model", raising)
    monkeypatch.setattr(nncf, "compress_weights", raising)
    monkeypatch.setattr(torch.onnx, "export", raising)
    backend = CpuBackend() if target.startswith("onnx") else OpenVinoBackend()
    conversion = next(found for found in backend.conversions() if f"{found.format} {found.precision}" == target)
    facts = tiny_transformer(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(PreconditionError, match=r"cannot (convert|quantize|export)") as refusal:
        backend.convert(facts, conversion, tmp_path, out)
    assert refusal.value.reason == "conversion_failed"
    assert SECRET not in refusal.value.message
    assert "LibraryError of library" in refusal.value.message
    assert list(out.iterdir()) == []


def test_a_result_that_cannot_be_run_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from panope_backends.engines.openvino import convert

    def run(_: object, arrays: Arrays) -> Array:
        if arrays["input_ids"].shape[0] == 1:
            raise LibraryError(SECRET)
        return np.zeros((*arrays["input_ids"].shape, 32), np.float32)

    monkeypatch.setattr(convert.Saved, "run", run)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(PreconditionError, match="cannot run the converted model") as refusal:
        OpenVinoBackend().convert(tiny_transformer(tmp_path), OpenVinoBackend().conversions()[0], tmp_path, out)
    assert SECRET not in refusal.value.message
    assert list(out.iterdir()) == []
