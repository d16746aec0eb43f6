"""A model that is divided over processes answers as a whole one, and fails and comes back as one instance."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest

import seeded_chat
from panope.v1 import generate_service_pb2 as pb
from panope.v1 import generate_service_pb2_grpc as pb_grpc
from panope.v1 import generation_pb2 as generation
from panope_client import Client, InvalidInputError, PreconditionError
from panope_registry.session import RegistrySession

PROMPT = "The capital of France is"
TOKENS = 24

#: So many tokens are still being made when the caller or a part has gone.
MANY = 2000


@pytest.fixture
def home(tmp_path: Path) -> Path:
    source, home = tmp_path / "source", tmp_path / "home"
    source.mkdir()
    seeded_chat.write_seeded_chat(source)
    with contextlib.closing(RegistrySession.open(home / "registry.sqlite3", home)) as session:
        session.registry.import_folder(source, seeded_chat.NAME)
    return home


def said(server: Any) -> str:
    with Client(server.grpc_address) as client:
        answer = client.generate(PROMPT, seeded_chat.NAME, max_tokens=TOKENS, temperature=0, timeout=120)
    return str(answer.completions[0].text)


def parts_of(server: Any) -> list[psutil.Process]:
    """The processes of the model's other parts."""
    return [child for child in server.children() if "panope_backends.programs.model_part" in child.cmdline()]


def refuses_what_is_not_divided(server: Any) -> None:
    """A load that cannot be as it is asked for is refused by name, and what serves goes on."""
    with Client(server.grpc_address) as client:
        with pytest.raises(PreconditionError, match="as many devices as divide 2, not over 3"):
            client.load(seeded_chat.NAME, tensor_parallel=3)
        with pytest.raises(InvalidInputError, match="`tensor_parallel` is at most 64"):
            client.load(seeded_chat.NAME, tensor_parallel=65)
        assert client.load(seeded_chat.NAME, tensor_parallel=2).instances[0].restart_count == 0


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_divided_model_answers_as_a_whole_one_and_its_parts_end_together(make_servers: Any, home: Path) -> None:
    servers = make_servers(home.parent, home.parent)
    start: dict[str, Any] = {"home": home, "demo": False, "envoy": False, "ready": False, "PANOPE_BACKEND": "cpu"}
    try:
        whole = servers.start("--load", seeded_chat.NAME, **start)
        whole.wait_ready(300)
        assert not parts_of(whole)
        expected = said(whole)
        assert whole.stop() == 0

        number = {"PANOPE_MODELS_TENSOR_PARALLEL_BY_MODEL": f"{seeded_chat.NAME}=2"}
        server = servers.start("--load", seeded_chat.NAME, **start, **number)
        server.wait_ready(500)
        (part,) = parts_of(server)
        assert "divided over 2 devices" in str(server.admin("/status").json)
        assert said(server) == expected
        refuses_what_is_not_divided(server)

        options = generation.GenerationOptions(max_tokens=MANY, ignore_eos=True)
        request = pb.GenerateRequest(model=seeded_chat.NAME, prompts=[PROMPT], options=options)
        with grpc.insecure_channel(server.grpc_address) as channel:
            stub = pb_grpc.GenerateServiceStub(channel)
            gone = stub.StreamGenerate(pb.StreamGenerateRequest(request=request))
            next(iter(gone))
            gone.cancel()
            assert said(server) == expected, "after a caller that has gone"

            lost = stub.StreamGenerate(pb.StreamGenerateRequest(request=request))
            next(iter(lost))
            os.kill(part.pid, signal.SIGKILL)
            with pytest.raises(grpc.RpcError) as failure:
                for _ in lost:
                    pass
            assert failure.value.code() is grpc.StatusCode.UNAVAILABLE
        server.wait(lambda: [each for each in parts_of(server) if each.pid != part.pid], 300, "another part")
        server.wait_ready(500)
        assert said(server) == expected, "after it has started again"

        children = server.children()
        assert server.stop() == 0
        assert not psutil.wait_procs(children, timeout=10)[1], "no part is left behind"
    finally:
        servers.stop()
