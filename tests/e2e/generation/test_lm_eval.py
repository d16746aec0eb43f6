"""lm-eval, unmodified, scores a served model as it scores the same weights by transformers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from uv import find_uv_bin

import smollm2
from seeded_chat import NAME, write_seeded_chat

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

#: Installed beside the packages that run the tests, not among them: it brings pandas, nltk and twenty others.
PACKAGES = ["lm-eval[api]==0.4.13"]
WITHOUT_DEPENDENCIES = ["accelerate==1.14.0"]
PROGRAM = Path(__file__).parent / "programs/evaluate.py"
CAPITALS = {"France": "Paris", "Italy": "Rome", "Norway": "Oslo", "Peru": "Lima", "Japan": "Tokyo", "Egypt": "Cairo"}
TEXTS = [
    "The weather in Rome is warm today, and sunny in Lima too.",
    "Straße über 東京: 100 naïve 😀 words.\nA second line.",
]
COMMON = "dataset_path: json\ndataset_kwargs:\n  data_files: {file}\ntest_split: train\n"
CHOICES = """\
task: choices
output_type: multiple_choice
doc_to_text: "The capital of {{country}} is"
doc_to_choice: "{{choices}}"
doc_to_target: answer
metric_list: [{metric: acc}, {metric: acc_norm}]
"""
TEXTS_TASK = """\
task: texts
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{text}}"
metric_list: [{metric: word_perplexity}, {metric: bits_per_byte}]
"""


@pytest.fixture(scope="module")
def python(make_environment: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has lm-eval."""
    environment = make_environment(tmp_path_factory.mktemp("lm-eval") / ".venv")
    command = [find_uv_bin(), "pip", "install", "--quiet", "--python", str(environment.python)]
    for packages in (PACKAGES, ["--no-deps", *WITHOUT_DEPENDENCIES]):
        done = subprocess.run([*command, *packages], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"lm-eval cannot be installed here: {done.stderr[-300:]}")
    found: Path = environment.python
    return found


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task that chooses among answers and one that scores whole texts."""
    folder = tmp_path_factory.mktemp("tasks")
    names = list(CAPITALS.values())
    lines = [
        {"country": country, "choices": [*names[place:], *names[:place]][:4], "answer": 0}
        for place, country in enumerate(CAPITALS)
    ]
    for name, task, data in (("choices", CHOICES, lines), ("texts", TEXTS_TASK, [{"text": text} for text in TEXTS])):
        file = folder / f"{name}.jsonl"
        file.write_text("\n".join(map(json.dumps, data)))
        (folder / f"{name}.yaml").write_text(task + COMMON.format(file=file))
    return folder


def scored(python: Path, tasks: Path, backend: str, arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [str(python), str(PROGRAM), str(tasks), backend, arguments],
        capture_output=True, text=True, check=False, cwd=tasks,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(lines[0].removeprefix("RESULT "))
    return found


def test_the_numbers_of_lm_eval_are_those_of_its_own_backend(
    seeded_server: Any, python: Path, tasks: Path, tmp_path: Path
) -> None:
    write_seeded_chat(tmp_path)
    assert_scored_alike(seeded_server, NAME, tmp_path, python, tasks)


def test_so_are_those_of_trained_weights_on_openvino(
    smollm2_server: Any, smollm2_folder: Path, python: Path, tasks: Path
) -> None:
    # Thirty layers round otherwise than PyTorch's: 1.4e-5 of the perplexity was seen.
    numbers = assert_scored_alike(smollm2_server, smollm2.NAME, smollm2_folder, python, tasks, rel=1e-4, close=1e-2)
    assert numbers["choices"]["acc,none"] > 0.5  # it has read of capitals


def assert_scored_alike(
    server: Any, name: str, folder: Path, python: Path, tasks: Path, *, rel: float = 1e-5, close: float = 1e-3
) -> dict[str, Any]:
    """Compares all numbers, and every answer's; what they are."""
    served = f"model={name},base_url={server.http_url}/v1/completions,tokenizer={folder},num_concurrent=4"
    ours = scored(python, tasks, "local-completions", served)
    theirs = scored(python, tasks, "hf", f"pretrained={folder},dtype=float32,device=cpu")
    for task in ("choices", "texts"):
        told = {name: value for name, value in theirs["results"][task].items() if isinstance(value, float)}
        assert {name: ours["results"][task][name] for name in told} == pytest.approx(told, rel=rel)
        for mine, other in zip(ours["samples"][task], theirs["samples"][task], strict=True):
            flat = [each if isinstance(each, list) else [each] for each in mine]
            expected = [each if isinstance(each, list) else [each] for each in other]
            assert [each[0] for each in flat] == pytest.approx([each[0] for each in expected], abs=close)
            assert [each[1:] for each in flat] == [each[1:] for each in expected]
    assert theirs["results"]["texts"]["bits_per_byte,none"] > 0
    numbers: dict[str, Any] = theirs["results"]
    return numbers
