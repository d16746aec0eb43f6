"""The model of docs/python-models.md answers as the page says."""

import json
import re
from pathlib import Path

import numpy as np

from page_reader import DOCS, FILE
from panope_backends.api import LoadOptions, ModelFacts, TensorModel
from panope_backends.engines.python.backend import PythonBackend

PAGE = (DOCS / "python-models.md").read_text()


def test_the_pages_model_answers_as_the_page_says(tmp_path: Path) -> None:
    for name, content in FILE.findall(PAGE):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    (command,) = re.findall(r"^\$ panope infer .*$", PAGE, re.MULTILINE)
    given = {name: json.loads(values) for name, values in re.findall(r"'(\w+)=(.*?)'", command)}
    facts = ModelFacts("acme/totals", "python", grants=("remote_code",))
    model = PythonBackend().load(facts, tmp_path, "CPU", LoadOptions())
    assert isinstance(model, TensorModel)
    currencies = np.array([[text.encode() for text in row] for row in given["currency"]], object)
    found = model.run({"prices": np.array(given["prices"], np.float32), "currency": currencies})["totals"]
    model.close()
    told = [[text.decode() for text in row] for row in found]
    assert f"`totals: texts {list(found.shape)}` and `{told}`" in PAGE
