"""Models as their callers may see, load and change them."""

from __future__ import annotations

from collections.abc import Sequence

from panope_backends.api import Device
from panope_registry.models.types import EVERY_MODEL
from panope_registry.registry import ModelFilter
from panope_registry.retention.types import RemovalResult
from panope_server.access.principal import Principal, current_principal
from panope_server.runtime.async_registry.audit import AuditTrail
from panope_server.runtime.authorized.visibility import AuthorizedDirectory, Visibility
from panope_server.runtime.hardware.usage.device_usage import DeviceUsage
from panope_server.runtime.models.manager import ModelManager
from panope_server.runtime.models.model_admin import ModelAdmin
from panope_server.runtime.placement.constraints import UNCONSTRAINED, LoadConstraints
from panope_server.runtime.status import ModelView

PAGE_SIZE = 500


class AuthorizedModels:
    """The models that the caller sees."""

    def __init__(self, models: ModelManager, visibility: Visibility, audit: AuditTrail) -> None:
        self._models = models
        self._visibility = visibility
        self._audit = audit
        self._directory = AuthorizedDirectory(models.directory, visibility)

    async def list(
        self, only: ModelFilter = EVERY_MODEL, *, loaded: bool | None = None, after: str = "", limit: int = 100
    ) -> Sequence[ModelView]:
        """Models and aliases by name, those after `after`."""
        principal = current_principal()
        if principal.models.are_all:
            return await self._models.list(only, loaded=loaded, after=after, limit=limit)
        found: list[ModelView] = []
        while len(found) < limit:
            page = await self._models.list(only, loaded=loaded, after=after, limit=PAGE_SIZE)
            found += (view for view in page if _sees(principal, view))
            if len(page) < PAGE_SIZE:
                break
            after = page[-1].name
        return found[:limit]

    async def get(self, name: str) -> ModelView:
        """One model, or alias; NotFoundError when there is none of that name for the caller."""
        self._visibility.check(name)
        return await self._models.get(name)

    async def default_for(self, task: str) -> str | None:
        """The model of calls that name none; None when there is no such model for the caller."""
        return await self._directory.default_for(task)

    async def load(
        self, name: str, constraints: LoadConstraints = UNCONSTRAINED, keep_alive: float | None = None
    ) -> ModelView:
        """Loads a model and returns when it serves."""
        with self._audit.recording("models.load", name):
            self._visibility.check(name)
            return await self._models.load(name, constraints, keep_alive)

    async def unload(self, name: str) -> ModelView:
        """Ends a model's instances and returns when their memory is free."""
        with self._audit.recording("models.unload", name):
            self._visibility.check(name)
            return await self._models.unload(name)

    async def devices(self) -> Sequence[Device]:
        """The devices of this machine, in the order in which they are preferred."""
        return await self._models.devices()

    def device_usage(self, device: Device) -> DeviceUsage:
        """What a device does at this moment."""
        return self._models.device_usage(device)


class AuthorizedModelAdmin:
    """Updates, pins and deletes models that the caller sees."""

    def __init__(self, admin: ModelAdmin, visibility: Visibility, audit: AuditTrail) -> None:
        self._admin = admin
        self._visibility = visibility
        self._audit = audit

    async def update(self, model: str, *, keep_alive: float | None) -> ModelView:
        """Records how long a model stays loaded unused; as `ModelAdmin.update`."""
        with self._audit.recording("models.update", model):
            self._visibility.check(model)
            return await self._admin.update(model, keep_alive=keep_alive)

    async def pin(self, model: str, variant: str = "", *, principal: str, reason: str) -> ModelView:
        """Keeps a variant's files; errors as of `ModelAdmin.pin`."""
        with self._audit.recording("models.pin", model):
            self._visibility.check(model)
            return await self._admin.pin(model, variant, principal=principal, reason=reason)

    async def unpin(self, model: str, variant: str = "") -> ModelView:
        """Lets them go again when room is needed."""
        with self._audit.recording("models.unpin", model):
            self._visibility.check(model)
            return await self._admin.unpin(model, variant)

    async def delete(self, model: str) -> RemovalResult:
        """Deletes a model; errors as of `ModelAdmin.delete`."""
        with self._audit.recording("models.delete", model):
            self._visibility.check(model)
            return await self._admin.delete(model)


def _sees(principal: Principal, view: ModelView) -> bool:
    return principal.sees(view.name, view.alias_of.partition("@")[0] or view.name)
