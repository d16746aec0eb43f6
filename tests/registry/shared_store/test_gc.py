"""The shared store is collected and verified for all machines together."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import obstore
import pytest

from panope_backends.errors import AvailabilityError
from panope_registry.registry import VariantEntry
from panope_registry.session import RegistrySession
from panope_registry.shared_store import S3Store, Uploader
from panope_registry.shared_store.gc import RemoteRetention
from panope_registry.tables.columns import now
from panope_registry.testing.forget import forget_model

See = Callable[[RegistrySession, object], Uploader]


@pytest.fixture
def shared(
    session: RegistrySession, make_model: Callable[..., Path], remote: S3Store, sharing: See
) -> dict[str, VariantEntry]:
    """Two models in the shared store, whose small files are the same."""
    found = {}
    for fill, name in enumerate(("v/a", "v/b")):
        (found[name],) = session.registry.import_folder(make_model(f"folder{fill}", fill=fill), name).variants
        sharing(session, remote).push(found[name].digest)
    return found


def _weights(variant: VariantEntry) -> str:
    return next(file.sha256 for file in variant.files if file.path == "model.safetensors")


def _there(remote: S3Store) -> set[str]:
    return {blob.sha256 for blob in remote.list()}


def test_what_no_machine_needs_goes_after_its_grace_and_not_in_a_dry_run(
    session: RegistrySession, other_machine: RegistrySession, remote: S3Store, shared: dict[str, VariantEntry]
) -> None:
    everything = _there(remote)
    forget_model(session.database, "v/a")
    other = RemoteRetention(other_machine.database, remote)
    assert other.collect().removed == ()
    later = RemoteRetention(other_machine.database, remote, clock=lambda: now() + timedelta(days=2))
    assert [blob.sha256 for blob in later.collect(dry_run=True).removed] == [_weights(shared["v/a"])]
    assert _there(remote) == everything
    collected = later.collect()
    assert [blob.sha256 for blob in collected.removed] == [_weights(shared["v/a"])]
    assert collected.freed_bytes > 0
    assert _there(remote) == everything - {_weights(shared["v/a"])}
    assert later.collect().removed == ()
    assert RemoteRetention(session.database, remote).verify().missing == ()


def test_what_is_missing_or_cut_short_is_found_and_brought_again(
    session: RegistrySession, remote: S3Store, shared: dict[str, VariantEntry], sharing: See
) -> None:
    retention = RemoteRetention(session.database, remote)
    checked = retention.verify()
    assert checked.checked == len(_there(remote))
    assert (checked.damaged, checked.missing) == ((), ())
    lost, cut = _weights(shared["v/a"]), _weights(shared["v/b"])
    remote.delete(lost)
    obstore.put(remote._bucket, remote._key(cut), b"short")
    checked = retention.verify()
    assert (checked.damaged, checked.missing) == ((cut,), (lost,))
    assert not remote.has(cut)
    for digest in sharing(session, remote).unshared():
        sharing(session, remote).push(digest)
    assert {lost, cut} <= _there(remote)
    assert retention.verify().missing == ()


def test_a_store_that_is_away_is_told_as_such_and_nothing_is_forgotten(
    session: RegistrySession, away: S3Store, shared: dict[str, VariantEntry], remote: S3Store, sharing: See
) -> None:
    away.id = remote.id
    for look in (RemoteRetention(session.database, away).collect, RemoteRetention(session.database, away).verify):
        with pytest.raises(AvailabilityError):
            look()
    assert sharing(session, remote).unshared() == []
