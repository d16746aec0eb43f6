"""A base model and two adapters of it, behind a real Envoy: three models of three answers, each by its name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import openai
import psutil
import pytest
from safetensors.numpy import load_file, save_file

from panope_backends.lora import CONFIG, FOLDER, WEIGHTS
from panope_client import Client
from panope_registry.session import RegistrySession
from panope_registry.testing.families import FAMILIES, build

#: The first test waits for the workers of three models, beside whatever else this machine does.
pytestmark = pytest.mark.timeout(300)

BASE, SQL, FRENCH = "acme/tiny", "acme/tiny:sql", "acme/french"
PROMPT: Sequence[int] = (5, 11, 200, 42, 17)
TOKENS = 12


def save_adapter(folder: Path, base: Path, seed: int) -> None:
    """Saves an adapter of every attention's queries and values, as PEFT does."""
    random = np.random.default_rng(seed)
    tensors = {}
    for name, weight in load_file(base / "model.safetensors").items():
        if name.endswith(("q_proj.weight", "v_proj.weight")):
            module = f"base_model.model.{name.removesuffix('.weight')}"
            tensors[f"{module}.lora_A.weight"] = random.standard_normal((4, weight.shape[1]), np.float32)
            tensors[f"{module}.lora_B.weight"] = random.standard_normal((weight.shape[0], 4), np.float32)
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 4, "lora_alpha": 8, "base_model_name_or_path": BASE}
    folder.mkdir()
    save_file(tensors, folder / WEIGHTS)
    (folder / CONFIG).write_text(json.dumps(config | {"target_modules": ["q_proj", "v_proj"]}))


@pytest.fixture(scope="module")
def server(make_servers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The base alone is loaded."""
    folder = tmp_path_factory.mktemp("adapters")
    home = folder / "home"
    llama = next(family for family in FAMILIES if family.name == "llama")
    base = build(llama, folder / "base")
    with RegistrySession.open(home / "registry.sqlite3", home) as session:
        session.registry.import_folder(base, BASE)
        for seed, name in enumerate((SQL, FRENCH)):
            save_adapter(folder / str(seed), base, seed)
            session.registry.import_folder(folder / str(seed), name)
    servers = make_servers(folder, folder)
    yield servers.start(home=home, demo=False)
    servers.stop()


@pytest.fixture(scope="module")
def client(server: Any) -> Iterator[Client]:
    with Client(server.grpc_address) as client:
        yield client


Answers = Callable[[str], list[int]]


@pytest.fixture(scope="module")
def answers(client: Client) -> Answers:
    def ask(model: str) -> list[int]:
        answer = client.generate([list(PROMPT)], model, max_tokens=TOKENS, temperature=0, ignore_eos=True)
        return list(answer.completions[0].token_ids)

    return ask


@pytest.fixture(scope="module")
def expected(server: Any) -> dict[str, list[int]]:
    """What transformers says with the weights of each, added up here."""
    import torch
    from transformers import AutoModelForCausalLM

    folder = server.home.parent
    found = {}
    for name, adapter in ((BASE, None), (SQL, folder / "0"), (FRENCH, folder / "1")):
        model = AutoModelForCausalLM.from_pretrained(folder / "base").eval()
        tensors = load_file(adapter / WEIGHTS) if adapter else {}
        for down in (tensor for tensor in tensors if "lora_A" in tensor):
            module = model.get_submodule(down.removeprefix("base_model.model.").removesuffix(".lora_A.weight"))
            change = tensors[down.replace("lora_A", "lora_B")] @ tensors[down] * 8 / 4
            module.weight.data += torch.from_numpy(change)
        tokens = list(PROMPT)
        for _ in range(TOKENS):
            with torch.inference_mode():
                tokens.append(int(model(input_ids=torch.tensor([tokens])).logits[0, -1].argmax()))
        found[name] = tokens[len(PROMPT) :]
    assert len({tuple(tokens) for tokens in found.values()}) == 3
    return found


def pid_of(client: Client, model: str) -> int:
    (instance,) = client.model(model).instances
    return instance.pid


def load_beside(client: Client) -> int:
    """Loads the base and an adapter in its worker; the worker's process id."""
    client.load(BASE, backend="cpu")
    loaded = client.load(SQL, backend="cpu")
    assert "in the worker of its base model" in loaded.instances[0].selection_reason
    return loaded.instances[0].pid


def test_the_base_and_its_adapters_answer_each_by_its_name_from_one_worker(
    client: Client, answers: Answers, expected: dict[str, list[int]]
) -> None:
    client.load(BASE, backend="cpu")
    assert answers(BASE) == expected[BASE]
    assert load_beside(client) == pid_of(client, BASE)
    assert answers(SQL) == expected[SQL]
    assert answers(BASE) == expected[BASE]


def test_calls_of_the_base_and_of_its_adapters_run_together(
    client: Client, answers: Answers, expected: dict[str, list[int]]
) -> None:
    worker = load_beside(client)
    client.load(FRENCH, backend="cpu")
    assert pid_of(client, FRENCH) == worker
    models = [BASE, SQL, FRENCH] * 8
    with ThreadPoolExecutor(len(models)) as pool:
        assert list(pool.map(answers, models)) == [expected[model] for model in models]
    client.unload(FRENCH)
    assert answers(SQL) == expected[SQL]
    assert pid_of(client, BASE) == worker, "the base goes on when an adapter goes"


@pytest.mark.slow
def test_openvino_runs_an_adapter_that_a_build_job_has_merged(
    server: Any, client: Client, answers: Answers, expected: dict[str, list[int]]
) -> None:
    client.load(BASE, backend="cpu")
    loaded = client.load(FRENCH, backend="openvino")
    assert [instance.format for instance in loaded.instances] == ["openvino"]
    assert answers(FRENCH) == expected[FRENCH]
    assert answers(BASE) == expected[BASE]
    built = [job["payload"]["model"] for job in server.get("/v1/jobs").json["jobs"] if job["kind"] == "build_engine"]
    assert built == [FRENCH]
    with RegistrySession.open(server.home / "registry.sqlite3", server.home) as session:
        whole, merged = session.registry.model(FRENCH).variants
    assert [any(file.path.startswith(FOLDER) for file in each.files) for each in (whole, merged)] == [True, False]
    assert (whole.base_models, merged.base_models) == ((BASE,), ())


def test_openais_client_asks_for_an_adapter_and_lists_it_with_its_base(server: Any, client: Client) -> None:
    client.load(BASE, backend="cpu")
    client.load(SQL, backend="cpu")
    with openai.OpenAI(base_url=f"{server.http_url}/v1", api_key="none", max_retries=0) as api:
        texts = {
            name: api.completions.create(model=name, prompt=list(PROMPT), max_tokens=TOKENS, temperature=0)
            for name in (BASE, SQL)
        }
        listed = {model.id: model.model_dump()["parent"] for model in api.models.list()}
    assert listed == {BASE: None, SQL: BASE, FRENCH: BASE}
    assert {name: answer.model for name, answer in texts.items()} == {BASE: BASE, SQL: SQL}
    assert texts[BASE].choices[0].text != texts[SQL].choices[0].text


def test_info_tells_the_base_the_rank_and_the_targets(server: Any) -> None:
    told = server.get(f"/v1/models/{SQL}/info").json
    assert [variant["base_models"] for variant in told["variants"]] == [[BASE]]
    assert told["reasons"]["adapter"] == "LoRA of rank 4 and alpha 8 in 4 modules: q_proj, v_proj"


def test_a_worker_that_dies_comes_back_with_the_adapters_that_were_in_it(
    server: Any, client: Client, answers: Answers, expected: dict[str, list[int]]
) -> None:
    psutil.Process(killed := load_beside(client)).kill()
    server.wait(lambda: pid_of(client, SQL) not in (0, killed), 60, "the next worker")
    assert answers(SQL) == expected[SQL]
    assert answers(BASE) == expected[BASE]
    assert pid_of(client, SQL) == pid_of(client, BASE)


def test_an_adapter_whose_base_is_unloaded_goes_with_it_and_then_has_a_worker_of_its_own(
    client: Client, answers: Answers, expected: dict[str, list[int]]
) -> None:
    load_beside(client)
    client.unload(BASE)
    assert not client.model(SQL).instances
    loaded = client.load(SQL, backend="cpu")
    assert "in the worker of its base" not in loaded.instances[0].selection_reason
    assert answers(SQL) == expected[SQL]
    client.unload(SQL)


def test_a_base_is_not_deleted_while_it_has_adapters(server: Any, client: Client) -> None:
    client.unload(BASE)
    refused = server.request("DELETE", f"/v1/models/{BASE}")
    assert (refused.status, refused.error["code"]) == (400, "has_adapters")
    assert f"`{FRENCH}`, `{SQL}`" in refused.error["message"]
