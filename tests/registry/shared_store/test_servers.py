"""Two real servers with homes of their own, one PostgreSQL and one bucket: what one has made, the other loads."""

from __future__ import annotations

import json
from typing import Any

import grpc
import numpy as np
import pytest

from panope.v1.embed_service_pb2 import EmbedRequest
from panope.v1.embed_service_pb2_grpc import EmbedServiceStub
from panope_registry.jobs import Jobs
from panope_registry.registry import Registry
from panope_registry.session import RegistrySession
from panope_registry.shared_store import S3Store
from panope_registry.tables.database import Database, open_engine

WAIT_SECONDS = 90
TEXTS = ["the quick brown fox", "jumps over the lazy dog"]


def _events(server: Any) -> list[str]:
    return [json.loads(line)["event"] for line in server.log().splitlines() if line.startswith("{")]


def _vectors(server: Any) -> np.ndarray | None:
    """What a server answers; None while it says that the model is on its way."""
    with grpc.insecure_channel(server.grpc_address) as channel:
        stub = EmbedServiceStub(channel)
        try:
            answer = stub.Embed(EmbedRequest(model=server.model, texts=TEXTS), timeout=WAIT_SECONDS)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                return None
            raise
    return np.frombuffer(answer.vectors, np.float32)


@pytest.mark.slow  # two servers start, and one converts
@pytest.mark.timeout(400)
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_conversion_made_on_one_server_is_loaded_by_the_other(
    servers: Any, database_url: str, s3_endpoint: str, bucket: str, registry: Registry
) -> None:
    settings = {
        "PANOPE_DATABASE_URL": database_url,
        "PANOPE_SHARED_STORE_URL": f"s3://{bucket}/panope",
        "PANOPE_SHARED_STORE_ENDPOINT": s3_endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    first = servers.start(home=servers.folder / "a", envoy=False, **settings)
    made = _vectors(first)
    assert made is not None
    (came, converted) = registry.model(first.model).variants
    remote = S3Store(
        bucket,
        prefix="panope",
        endpoint=s3_endpoint,
        options={"access_key_id": "test", "secret_access_key": "test"},
    )
    wanted = {file.sha256 for variant in (came, converted) for file in variant.files}
    first.wait(lambda: {blob.sha256 for blob in remote.list()} >= wanted, WAIT_SECONDS, "sharing")
    database = Database(open_engine(database_url))
    jobs = Jobs(database)
    first.wait(lambda: all(job.status.is_final for job in jobs.list(kind="share")), WAIT_SECONDS, "the end of sharing")
    assert first.stop() == 0

    second = servers.start(home=servers.folder / "b", envoy=False, demo=False, **settings)
    answers: list[np.ndarray] = []

    def answered() -> bool:
        answer = _vectors(second)
        if answer is not None:
            answers.append(answer)
        return answer is not None

    second.wait(answered, WAIT_SECONDS, "an answer")
    assert np.array_equal(answers[0], made)
    with RegistrySession.open(database_url, second.home) as there:
        here = {variant.digest: variant.is_local for variant in there.registry.model(second.model).variants}
    assert here == {came.digest: False, converted.digest: True}, "what it was made of came too"
    assert "build_engine_start" in _events(first)
    assert "build_engine_start" not in _events(second)
    assert {job.status.value for job in jobs.list()} == {"succeeded"}
    database.close()
