"""`panope discover` and `panope register`, as a person types them."""

from __future__ import annotations

import json

import numpy as np
from safetensors.numpy import save

SKILL = """
class hf_tiny:
    model_name = "acme/tiny"
    def create_cpu_text_embedding_endpoint_handler(self): ...
"""


def test_what_is_found_is_registered_once_and_what_cannot_be_is_told(cli, tmp_path):
    root = tmp_path / "models"
    for path, data in {
        "good/config.json": json.dumps({"architectures": ["BertModel"]}).encode(),
        "good/openvino_model.xml": b'<net name="m"><layer type="Const"><data element_type="f16" shape="4" offset="0" '
        b'size="8"/></layer></net>',
        "good/openvino_model.bin": bytes(8),
        "steps/config.pbtxt": b'platform: "ensemble"',
        "hf_tiny.py": SKILL.encode(),
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)

    found = {each["name"]: each for each in cli("discover", str(root), "--vendor", "acme", "--json").json}
    assert {name: each["kind"] for name, each in found.items()} == {
        "acme/good": "model",
        "acme/steps": "triton",
        "acme/hf_tiny": "skill",
    }
    register = ("discover", str(root), "--register", "--vendor", "acme", "--json")
    states = [{each["name"]: each["state"] for each in cli(*register).json} for _ in range(2)]
    assert [state["acme/good"] for state in states] == ["imported", "unchanged"]
    assert "steps are models of their own" in states[0]["acme/steps"]
    assert [state["acme/hf_tiny"] for state in states] == ["job 1 registers acme/tiny"] * 2
    assert [model["name"] for model in cli("ls", "--json").json] == ["acme/good"]


def test_a_model_whose_task_is_open_is_registered_and_the_command_says_how_to_decide(cli, hub):
    config = json.dumps({"architectures": ["BertForPreTraining"], "model_type": "bert"})
    files = {"config.json": config.encode(), "model.safetensors": save({"weight": np.zeros(8, np.float32)})}
    hub.add("acme/open", files, pipeline_tag="image-to-3d")
    result = cli("register", "acme/open", code=1)
    assert "registered acme/open" in result.out
    assert "panope register acme/open --task embed" in " ".join(result.err.split())
    decided = cli("register", "acme/open", "--task", "embed", "--json").json
    assert (decided["task"], decided["task_candidates"]) == ("embed", [])
