"""Every method of every service that is served has been decided on, and no other."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from panope_backends.errors import PermissionDeniedError, UnauthenticatedError
from panope_registry.access.scopes import RESOURCES, RUN, ModelPatterns, Scopes
from panope_server.access.principal import ANONYMOUS, NOBODY, Principal
from panope_server.transport.grpc.reflection import V1
from panope_server.transport.grpc.services import SERVICERS
from panope_server.transport.permissions import PERMISSIONS


class _Collecting:
    """Takes the methods that services add, as generated code adds them to a server."""

    def __init__(self) -> None:
        self.methods: set[str] = set()

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """The same once more."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, object]) -> None:
        self.methods |= {f"/{service}/{method}" for method in handlers}


class _Everything:
    """Stands for all that servicers are made of."""

    def __getattr__(self, name: str) -> object:
        return _Everything()

    def __call__(self, *_: object, **__: object) -> object:
        return _Everything()


def served_methods() -> set[str]:
    server = _Collecting()
    for servicer in SERVICERS:
        servicer.add_to(server, _Everything())  # type: ignore[arg-type] # neither is looked at
    health_pb2_grpc.add_HealthServicer_to_server(_Everything(), server)
    reflections = {f"/{name}/ServerReflectionInfo" for name in (reflection.SERVICE_NAME, V1)}
    return server.methods | reflections


def test_every_method_that_is_served_was_decided_on_and_no_other() -> None:
    assert set(PERMISSIONS) == served_methods()


def test_every_permission_asks_for_a_scope_that_a_key_can_have() -> None:
    for permission in PERMISSIONS.values():
        if permission.resource and not permission.is_inference:
            assert permission.action in RESOURCES[permission.resource]


@pytest.mark.parametrize("method", sorted(PERMISSIONS))
def test_nobody_may_call_what_is_not_public_and_who_may_everything_may(method: str) -> None:
    permission = PERMISSIONS[method]
    permission.check(ANONYMOUS)
    permission.check(Principal("admin", scopes=Scopes.parse(["admin"])))
    if not permission.resource:
        return
    with pytest.raises(UnauthenticatedError):
        permission.check(NOBODY)
    others = Scopes.parse(["audit:read"])
    with pytest.raises(PermissionDeniedError) as caught:
        permission.check(Principal("other", scopes=others, models=ModelPatterns(("*",))))
    assert caught.value.reason == "scope_missing"


def test_whoever_may_run_some_task_comes_as_far_as_the_pipeline() -> None:
    key = Principal("embedder", scopes=Scopes.parse(["embed:*"]))
    for permission in PERMISSIONS.values():
        if permission.action == RUN:
            permission.check(key)
