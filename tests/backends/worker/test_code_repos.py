"""Code of another repo, which a model's variant brought: it runs in the worker as transformers itself runs it."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from panope.worker.v1 import embed_pb2
from panope_backends.errors import PreconditionError
from panope_backends.model_facts.code_repos import folder_of
from panope_backends.testing.models import tiny_classifier
from panope_backends.testing.serving import answer_of, served

REPO = "acme/code"
CONFIGURATION = """
from transformers import BertConfig

class OwnConfig(BertConfig):
    model_type = "own"
"""
MODELING = """
from transformers import BertModel
from .configuration_own import OwnConfig

class OwnModel(BertModel):
    config_class = OwnConfig

    def forward(self, *args, **kwargs):
        found = super().forward(*args, **kwargs)
        found.last_hidden_state = found.last_hidden_state.flip(-1) * 2
        return found
"""
TEXTS = ["the quick fox runs", "a dog sleeps"]


def write_code(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "configuration_own.py").write_text(CONFIGURATION)
    (folder / "modeling_own.py").write_text(MODELING)


@pytest.fixture
def asking(tmp_path: Path) -> Path:
    """A seeded model whose config.json asks for the code of `REPO`."""
    import torch
    import transformers

    folder = tmp_path / "asking"
    folder.mkdir()
    tiny_classifier(folder, "classify", ("a", "b"))
    config = transformers.AutoConfig.from_pretrained(folder)
    torch.manual_seed(5)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    described = json.loads((folder / "config.json").read_text())
    described |= {"model_type": "own", "architectures": ["OwnModel"]}
    described["auto_map"] = {
        "AutoConfig": f"{REPO}--configuration_own.OwnConfig",
        "AutoModel": f"{REPO}--modeling_own.OwnModel",
    }
    (folder / "config.json").write_text(json.dumps(described))
    return folder


def embedded(folder: Path, *grants: str) -> np.ndarray:
    model = served(folder, grants=[*grants, "network"])  # the latter the tests' own process must keep
    work = embed_pb2.EmbedInput(texts=TEXTS, truncation="end")
    answer = embed_pb2.EmbedOutput.FromString(answer_of(model, "embed", work))
    return np.frombuffer(answer.vectors, "<f4").reshape(-1, answer.dimensions)


def by_transformers(folder: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """The same model with its code beside it, by transformers alone: the mean of the tokens' vectors."""
    import torch
    import transformers
    from transformers import dynamic_module_utils

    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(scratch / "modules"))
    for name in [name for name in sys.modules if name.startswith("transformers_modules")]:
        monkeypatch.delitem(sys.modules, name)  # of the worker's load, in this same process
    shutil.copytree(folder, scratch / "whole")
    for path in (folder / folder_of(REPO)).iterdir():
        shutil.copy(path, scratch / "whole" / path.name)
    described = json.loads((folder / "config.json").read_text())
    described["auto_map"] = {key: value.partition("--")[2] for key, value in described["auto_map"].items()}
    (scratch / "whole/config.json").write_text(json.dumps(described))
    model = transformers.AutoModel.from_pretrained(scratch / "whole", trust_remote_code=True).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(scratch / "whole")
    with torch.inference_mode():
        found = [model(**tokenizer(text, return_tensors="pt")).last_hidden_state.mean(1)[0] for text in TEXTS]
    return torch.stack(found).numpy()


def test_code_of_another_repo_runs_as_in_transformers(
    asking: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_code(asking / folder_of(REPO))
    found = embedded(asking, "remote_code")
    np.testing.assert_allclose(found, by_transformers(asking, tmp_path, monkeypatch), atol=1e-5)


def test_code_that_the_variant_has_not_brought_is_not_fetched(asking: Path) -> None:
    with pytest.raises(PreconditionError, match=r"code of another repo .* not among the model's files"):
        embedded(asking, "remote_code")


def test_code_of_another_repo_does_not_run_without_a_grant(asking: Path) -> None:
    write_code(asking / folder_of(REPO))
    with pytest.raises(PreconditionError, match=r"grants\.remote_code"):
        embedded(asking)


def test_a_repos_name_does_not_lead_out_of_the_folder(asking: Path) -> None:
    write_code(asking / folder_of(REPO))
    described = json.loads((asking / "config.json").read_text())
    described["auto_map"] = {"AutoModel": "acme/../../acme--own.OwnModel"}
    (asking / "config.json").write_text(json.dumps(described))
    with pytest.raises(PreconditionError, match=r"code of another repo .* not among the model's files"):
        embedded(asking, "remote_code")
