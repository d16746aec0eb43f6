"""The processor's name and abilities are those that the system tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from panope_backends.host import processor_model


@pytest.mark.parametrize(
    ("text", "native"),
    [
        ("flags\t\t: fpu avx512f avx512_bf16\n", True),
        ("flags\t\t: fpu amx_bf16 amx_tile\n", True),
        ("Features\t: fp asimd bf16\n", True),
        ("flags\t\t: fpu avx512f avx512vl\n", False),
        ("", False),
    ],
)
def test_native_bf16_is_told_from_the_processors_flags(tmp_path: Path, text: str, native: bool) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor : 0\nmodel name : Maker's best\n{text}\nprocessor : 1\nflags : amx_bf16\n")
    assert processor_model.has_native_bf16(cpuinfo) is native
    assert processor_model.processor_name(cpuinfo) == "Maker's best"


def test_without_those_files_there_is_still_a_name(tmp_path: Path) -> None:
    assert processor_model.processor_name(tmp_path / "none")
    assert not processor_model.has_native_bf16(tmp_path / "none")
