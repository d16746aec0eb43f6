"""The bytes of a repo's files: ranges, redirects, and a token that stays where it belongs."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from panope_backends.errors import AvailabilityError, PanopeError
from panope_registry.sources.hub import HubSource
from panope_registry.sources.source import RemoteRevision
from panope_registry.testing import HubStandIn

NAME = "vendor/model"
TOKEN = "hf_secret"
BODY = bytes(range(256)) * 1024
LARGE = "model.safetensors"
SMALL = "a b#c?.txt"


@pytest.fixture
def revision(hub: HubStandIn) -> RemoteRevision:
    return RemoteRevision(NAME, hub.add(NAME, {LARGE: BODY, SMALL: BODY[::-1]}))


def _read(source: HubSource, revision: RemoteRevision, path: str = LARGE, *place: int) -> tuple[int, int | None, bytes]:
    with source.open(revision, path, *place) as stream:
        return stream.start, stream.total_bytes, b"".join(stream.chunks())


def test_files_come_whole_from_the_hub_and_from_elsewhere(source: HubSource, revision: RemoteRevision) -> None:
    assert _read(source, revision) == (0, len(BODY), BODY)
    assert _read(source, revision, SMALL) == (0, len(BODY), BODY[::-1])


def test_files_come_in_parts(source: HubSource, revision: RemoteRevision) -> None:
    assert _read(source, revision, LARGE, 1000) == (1000, len(BODY), BODY[1000:])
    assert _read(source, revision, LARGE, 1000, 10) == (1000, len(BODY), BODY[1000:1010])
    assert _read(source, revision, LARGE, 0, 10) == (0, len(BODY), BODY[:10])


def test_a_source_that_ignores_ranges_says_where_it_begins(
    hub: HubStandIn, source: HubSource, revision: RemoteRevision
) -> None:
    hub.fault("ignore_range", on="cdn")
    assert _read(source, revision, LARGE, 1000) == (0, len(BODY), BODY)


def test_past_the_end_there_is_nothing(source: HubSource, revision: RemoteRevision) -> None:
    assert _read(source, revision, LARGE, len(BODY)) == (len(BODY), len(BODY), b"")


def test_a_file_that_is_not_there_is_not_found(source: HubSource, revision: RemoteRevision) -> None:
    with pytest.raises(PanopeError) as caught:
        _read(source, revision, "no")
    assert caught.value.reason == "entry_not_found"


@pytest.mark.parametrize(
    ("fault", "options", "reason"),
    [
        ("drop_after", {"bytes": 1000}, "source_unavailable"),
        ("gzip", {}, "source_protocol"),
        ("redirect", {"location": "self", "times": None}, "source_protocol"),
        ("redirect", {"location": "file:///etc/passwd"}, "source_protocol"),
        ("redirect", {"location": "http://user:password@localhost/"}, "source_protocol"),
        ("redirect", {"location": ""}, "source_protocol"),
        ("redirect", {"location": "http://[::1"}, "source_protocol"),
        ("status", {"code": 503, "on": "cdn"}, "source_unavailable"),
        ("status", {"code": 403, "on": "cdn"}, "source_unavailable"),
        ("drop_header", {"header": "content-range", "on": "cdn"}, "source_protocol"),
    ],
)
def test_a_fault_is_told_by_its_kind(
    hub: HubStandIn, source: HubSource, revision: RemoteRevision, fault: str, options: dict[str, object], reason: str
) -> None:
    hub.fault(fault, **options)  # type: ignore[arg-type] # options of several kinds
    with pytest.raises(AvailabilityError) as caught:
        _read(source, revision, LARGE, 1)
    assert caught.value.reason == reason
    assert caught.value.message.isprintable()
    assert "password" not in caught.value.message or "an address with a password" in caught.value.message


def test_a_link_that_stalls_ends(hub: HubStandIn, revision: RemoteRevision) -> None:
    hub.fault("stall", bytes=1000)
    with httpx2.Client(timeout=0.2) as client, pytest.raises(AvailabilityError) as caught:
        _read(HubSource(hub.endpoint, client=client), revision)
    assert caught.value.reason == "source_unavailable"


def test_an_expired_address_is_asked_for_anew_by_the_next_call(
    hub: HubStandIn, source: HubSource, revision: RemoteRevision
) -> None:
    hub.fault("status", code=403, on="cdn")
    with pytest.raises(AvailabilityError, match="expired"):
        _read(source, revision)
    assert _read(source, revision)[2] == BODY


def test_the_token_goes_to_the_hub_alone(hub: HubStandIn) -> None:
    commit = hub.add(NAME, {LARGE: BODY}, gated=True)
    source = HubSource(hub.endpoint, token=TOKEN)
    source.resolve(NAME)
    assert _read(source, RemoteRevision(NAME, commit))[2] == BODY
    source.close()
    tokens = {(request.on, request.headers.get("authorization")) for request in hub.requests}
    assert tokens == {("hub", f"Bearer {TOKEN}"), ("cdn", None)}
    assert not any(TOKEN in request.path for request in hub.requests)


def test_without_a_token_none_is_sent(hub: HubStandIn, source: HubSource, revision: RemoteRevision) -> None:
    _read(source, revision)
    assert all("authorization" not in request.headers for request in hub.requests)


@pytest.fixture
def public_source(hub: HubStandIn) -> Iterator[HubSource]:
    """A source whose hub seems to lie outside, and whose redirects lead to where names say."""
    addresses = {"localhost": ["93.184.216.34"], "127.0.0.1": ["127.0.0.1"], "mixed.test": ["8.8.8.8", "10.0.0.1"]}
    source = HubSource(
        hub.endpoint.replace("127.0.0.1", "localhost"), resolve_host=lambda host: addresses.get(host, [host])
    )
    yield source
    source.close()


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "[::1]", "[fe80::1]", "[fd00::1]", "mixed.test"]
)
def test_a_redirect_into_this_network_is_refused(
    hub: HubStandIn, public_source: HubSource, revision: RemoteRevision, host: str
) -> None:
    hub.fault("redirect", location=f"http://{host}/latest/meta-data")
    with pytest.raises(AvailabilityError, match="inside this network") as caught:
        _read(public_source, revision)
    assert caught.value.reason == "source_protocol"


def test_a_hub_inside_this_network_may_redirect_inside(source: HubSource, revision: RemoteRevision) -> None:
    assert _read(source, revision)[2] == BODY


def test_a_large_file_is_not_read_into_memory_by_opening_it(
    hub: HubStandIn, source: HubSource, revision: RemoteRevision
) -> None:
    with source.open(revision, LARGE) as stream:
        first = next(stream.chunks())
    assert 0 < len(first) < len(BODY)
