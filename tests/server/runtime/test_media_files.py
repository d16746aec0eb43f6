"""Files that calls name by URL: which are fetched, and every way in which a URL leads elsewhere than it seems to."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import pytest

from panope_backends.errors import InvalidInputError
from panope_server.config import MediaUrlSettings
from panope_server.runtime.media_files.fetcher import Budget, MediaFetcher
from scripted_server import Script, http

FILE = b"\x89PNG of sorts"
MOST = 1000


@pytest.fixture
def script() -> Iterator[Script]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Script(listener.getsockname()[1])
        threading.Thread(target=made.serve, args=(listener,), daemon=True).start()
        yield made
        listener.shutdown(socket.SHUT_RDWR)


Make = Callable[..., MediaFetcher]


@pytest.fixture
async def fetcher(script: Script) -> AsyncIterator[Make]:
    """Makes fetchers that may call the scripted server by its address."""
    made: list[MediaFetcher] = []

    def make(*allowed: str, resolve: Any = None, **settings: Any) -> MediaFetcher:
        hosts = allowed or (f"127.0.0.1:{script.port}",)
        how = {} if resolve is None else {"resolve": resolve}
        made.append(MediaFetcher(MediaUrlSettings(allowed_hosts=hosts, **settings), **how))
        return made[-1]

    yield make
    for each in made:
        await asyncio.to_thread(each.close)


async def fetched(fetcher: MediaFetcher, url: str, most: int = MOST, budget: int = 1 << 20) -> bytes:
    return await fetcher.fetch(url, "images[0]", most, Budget(budget))


async def refusal(fetcher: MediaFetcher, url: str, **how: int) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as error:
        await fetched(fetcher, url, **how)
    assert error.value.field == "images[0]"
    return error.value


async def test_a_file_comes_from_a_host_that_is_listed(script: Script, fetcher: Make) -> None:
    script.reply("/a.png?sign=x%2Fy", http(200, FILE, kind="text/html"))
    assert await fetched(fetcher(), f"http://127.0.0.1:{script.port}/a.png?sign=x%2Fy") == FILE
    head = script.asked[0].head.lower()
    assert f"host: 127.0.0.1:{script.port}" in head
    assert not [name for name in ("authorization", "cookie", "referer") if name in head]


async def test_without_the_setting_nothing_is_fetched(script: Script) -> None:
    off = MediaFetcher(MediaUrlSettings())
    error = await refusal(off, f"http://127.0.0.1:{script.port}/")
    assert "media_urls.allowed_hosts" in error.message
    assert not script.asked
    assert [each for each in threading.enumerate() if each.name == "media-files"] == []


TRICKS = [
    "http://169.254.169.254/latest/meta-data",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0xa9.0xfe.0xa9.0xfe/",
    "http://169.254.43518/",
    "http://0251.0376.0251.0376/",
    "http://127.1/",
    "http://127.0.0.1/",
    "http://0/",
    "http://0.0.0.0/",
    "http://[::]/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[2002:a9fe:a9fe::]/",
    "http://[fd00:ec2::254]/",
    "http://[fe80::1%25eth0]/",
    "http://10.0.0.1/",
    "http://192.168.0.1/",
    "http://100.64.0.1/",
    "http://good.example@127.0.0.1/",
    "http://good.example:x@127.0.0.1/",
    "http://127.0.0.1\\@good.example/",
    "http://good.example\\@127.0.0.1/",
    "http:\\\\127.0.0.1/",
    "http:///127.0.0.1/",
    "http:127.0.0.1",
    "http://good.example#@127.0.0.1/",
    "http://good.example%2f@127.0.0.1/",
    "http://127%2e0.0.1/",
    "http://good.example.",
    "http://good.example:22/",
    "http://good.example:80:80/",
    "http://good.example:0/",
    "http://good.example:99999/",
    "http://good.example:/",
    "http://ｇｏｏｄ.example/",
    "http://①②⑦.⓪.⓪.①/",
    "http://good。example/",
    "http://bücher.example/",
    "http://good.example/\r\nhost: evil",
    "http://good.example/ x",
    "http://goo\td.example/",
    " http://good.example/",
    "HTTP://good.example/",
    "http://",
    "http://good.example/" + "a" * 5000,
    "http://evil.example/",
    "http://notgood.example/",
    "http://good.example.evil.example/",
    "file:///etc/passwd",
    "gopher://good.example/",
    "ftp://good.example/",
    "//good.example/",
]


@pytest.mark.parametrize("url", TRICKS)
async def test_a_url_that_leads_elsewhere_than_it_seems_is_refused_and_nobody_is_called(
    fetcher: Make, url: str
) -> None:
    """Also where every public host is listed, as far as the URL itself tells."""
    looked_up: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        looked_up.append(host)
        return ["127.0.0.1"]

    for hosts in (("good.example",), ("*",)):
        if (hosts == ("*",) and "evil" in url) or "notgood" in url:
            continue
        error = await refusal(fetcher(*hosts, resolve=resolve), url)
        assert error.reason == "media_url_not_allowed"
        assert looked_up == []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "100.100.100.200",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "fe80::1%eth0",
        "fd00:ec2::254",
    ],
)
@pytest.mark.parametrize("listed", ["good.example", "*"])
async def test_a_name_that_leads_inside_is_not_called(fetcher: Make, address: str, listed: str) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return [address]

    error = await refusal(fetcher(listed, resolve=resolve), "http://good.example/a.png")
    assert error.reason == "media_url_not_allowed"
    assert "media_urls.private_addresses" in error.message
    assert address not in error.message


async def test_a_name_is_looked_up_once_for_a_connection(script: Script, fetcher: Make) -> None:
    """A name that leads to a public address first and to this machine a moment later leads nobody here."""
    answers = [["93.184.216.34"], ["127.0.0.1"]]
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return answers[len(asked) - 1]

    entry = f"rebinds.example:{script.port}"
    rebound = fetcher(entry, resolve=resolve, timeout_seconds=0.3)
    assert (await refusal(rebound, f"http://{entry}/")).reason == "media_url_unavailable"
    assert (await refusal(rebound, f"http://{entry}/")).reason == "media_url_not_allowed"
    assert asked == ["rebinds.example"] * 2
    assert not script.asked


async def test_a_name_may_lead_into_a_private_network_where_the_settings_say_so(script: Script, fetcher: Make) -> None:
    script.reply("/a.png", http(200, FILE))
    entry = f"localhost:{script.port}"
    assert (await refusal(fetcher(entry), f"http://{entry}/a.png")).reason == "media_url_not_allowed"
    assert await fetched(fetcher(entry, private_addresses=True), f"http://{entry}/a.png") == FILE


def test_every_host_and_private_addresses_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="private_addresses"):
        MediaUrlSettings(allowed_hosts=("*",), private_addresses=True)
    with pytest.raises(ValueError, match="names no host"):
        MediaUrlSettings(allowed_hosts=("*bad",))


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("http://169.254.169.254/", "from which no files are fetched"),
        ("http://127.0.0.1:1/", "port 1, from which no files are fetched"),
        ("file:///etc/passwd", "no URL of a file"),
        ("http://a@127.0.0.1/", "no URL of a file"),
        ("\\\\127.0.0.1\\x", "no URL of a file"),
        ("http://[::ffff:127.0.0.1]/", "from which no files are fetched"),
        ("", "more than 3 times"),
    ],
)
async def test_a_redirect_is_checked_as_the_first_url_is(
    script: Script, fetcher: Make, location: str, why: str
) -> None:
    script.reply("/a.png", http(302, b"", f"location: {location}"))
    assert why in (await refusal(fetcher(), f"http://127.0.0.1:{script.port}/a.png")).message


async def test_redirects_are_followed_as_often_as_the_settings_say(script: Script, fetcher: Make) -> None:
    script.reply("/a", http(301, b"", "location: b"))
    script.reply("/b", http(307, b"", f"location: http://127.0.0.1:{script.port}/c"))
    script.reply("/c", http(200, FILE))
    url = f"http://127.0.0.1:{script.port}/a"
    assert await fetched(fetcher(), url) == FILE
    assert "more than 1 times" in (await refusal(fetcher(max_redirects=1), url)).message


@pytest.mark.parametrize("stated", [True, False])
async def test_a_file_that_is_too_large_is_given_up(script: Script, fetcher: Make, stated: bool) -> None:
    head = b"HTTP/1.1 200 OK\r\n" + (b"content-length: 99999999999\r\n" if stated else b"connection: close\r\n")
    script.reply("/a.png", script.endless(head + b"\r\n", bytes(1 << 12)))
    error = await refusal(fetcher(), f"http://127.0.0.1:{script.port}/a.png")
    assert "more than 1,000 bytes" in error.message
    assert await asyncio.to_thread(script.hung_up.wait, 10)


async def test_the_files_of_a_call_are_bounded_together(script: Script, fetcher: Make) -> None:
    script.reply("/a.png", http(200, bytes(600)))
    one, budget, url = fetcher(), Budget(1000), f"http://127.0.0.1:{script.port}/a.png"
    await one.fetch(url, "images[0]", MOST, budget)
    with pytest.raises(InvalidInputError, match=r"media_urls\.max_call_bytes"):
        await one.fetch(url, "images[1]", MOST, budget)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (http(404), "status 404"),
        (http(500), "status 500"),
        (http(206, FILE), "status 206"),
        (http(200, FILE, "content-encoding: gzip"), "compressed"),
        (http(200, b""), "empty file"),
        (b"garbage\r\n\r\n", "cannot be reached"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", "in time"),
    ],
)
async def test_a_file_that_is_not_to_be_had_is_told_with_its_host(
    script: Script, fetcher: Make, reply: bytes, why: str
) -> None:
    script.reply("/secret-path", reply)
    error = await refusal(fetcher(timeout_seconds=1), f"http://127.0.0.1:{script.port}/secret-path")
    assert error.reason == "media_url_unavailable"
    assert why in error.message
    assert "secret-path" not in error.message


async def test_a_host_that_drips_is_given_up_in_time(script: Script, fetcher: Make) -> None:
    script.reply("/a.png", script.silent(b"HTTP/1.1 200 OK\r\n"))
    error = await refusal(fetcher(timeout_seconds=0.2), f"http://127.0.0.1:{script.port}/a.png")
    assert "in time" in error.message
    assert await asyncio.to_thread(script.hung_up.wait, 10)


async def test_a_caller_who_goes_away_ends_the_fetching(script: Script, fetcher: Make) -> None:
    began = threading.Event()

    def wait(connection: socket.socket) -> None:
        began.set()
        while connection.recv(4096):
            pass
        script.hung_up.set()

    script.reply("/a.png", wait)
    running = asyncio.ensure_future(fetched(fetcher(), f"http://127.0.0.1:{script.port}/a.png"))
    assert await asyncio.to_thread(began.wait, 10)
    running.cancel()
    assert await asyncio.to_thread(script.hung_up.wait, 10)


async def test_nothing_listens_there(fetcher: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        entry = f"127.0.0.1:{listener.getsockname()[1]}"
    assert "cannot be reached" in (await refusal(fetcher(entry), f"http://{entry}/")).message
