"""Records of jobs, pins and aliases name who asked: the caller, or the interface of one who is anonymous."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from panope.v1 import alias_service_pb2, registry_service_pb2
from panope_server.access.principal import ANONYMOUS, Principal, set_principal
from panope_server.transport.grpc.registry.alias_servicer import AliasServicer
from panope_server.transport.grpc.registry.registry_servicer import RegistryServicer
from panope_server.transport.rest.panope import alias_servicer, registry_servicer


class RecordedError(Exception):
    """Ends the call once the name is known."""


class Records:
    """Takes every request and raises the name that it is recorded with."""

    async def register(self, request: object, requested_by: str) -> None:
        raise RecordedError(requested_by)

    pull = build = register

    async def record(self, *_: object, principal: str, **more: object) -> None:
        raise RecordedError(principal)

    pin = set = rollback = remove = record


@pytest.fixture(params=["ada", ""], ids=["known", "anonymous"])
def caller(request: pytest.FixtureRequest) -> Iterator[str]:
    set_principal(Principal(request.param))
    yield request.param
    set_principal(ANONYMOUS)


ALIAS = alias_service_pb2
REGISTRY = registry_service_pb2
CALLS = [
    ("SetAlias", ALIAS.SetAliasRequest(alias="prod", model="a/b")),
    ("RollbackAlias", ALIAS.RollbackAliasRequest(alias="prod")),
    ("DeleteAlias", ALIAS.DeleteAliasRequest(alias="prod")),
    ("RegisterModel", REGISTRY.RegisterModelRequest(model="a/b")),
    ("PullModel", REGISTRY.PullModelRequest(model="a/b")),
    ("BuildVariant", REGISTRY.BuildVariantRequest(model="a/b", format="onnx")),
    ("PinModel", REGISTRY.PinModelRequest(model="a/b")),
]


@pytest.mark.parametrize(("method", "request_"), CALLS, ids=[method for method, _ in CALLS])
async def test_a_record_names_the_caller_or_else_the_interface(caller: str, method: str, request_: Any) -> None:
    records = cast("Any", Records())
    of_aliases = method.endswith("Alias")
    servicer = AliasServicer(records, records) if of_aliases else RegistryServicer(records, records, records)
    with pytest.raises(RecordedError) as caught:
        await getattr(servicer, method)(request_, None)
    assert str(caught.value) == (caller or "grpc")


@pytest.mark.parametrize("module", [alias_servicer, registry_servicer], ids=["aliases", "registry"])
def test_rest_records_callers_alike(caller: str, module: Any) -> None:
    assert module.recorded_name(module.INTERFACE) == (caller or "rest")
