"""The files of TLS: what a server can use, what is wrong with the rest, and what is taken up when they change."""

from __future__ import annotations

import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from certificates import Authority
from panope_backends.errors import PreconditionError
from panope_server.config import TlsSettings
from panope_server.runtime.tls_files import TlsFiles, TlsWatcher, newest_context, read_tls_files


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def settings(authority: Authority, tmp_path: Path) -> TlsSettings:
    certificate, key = authority.write(tmp_path, "server")
    return TlsSettings(str(certificate), str(key))


def refusal(settings: TlsSettings) -> str:
    with pytest.raises(PreconditionError) as caught:
        read_tls_files(settings)
    return caught.value.message


def test_good_files_are_read_with_the_day_they_are_good_until(settings: TlsSettings) -> None:
    files = read_tls_files(settings)
    assert files.certificate == Path(settings.certificate).read_bytes()
    assert abs(files.expires_at - datetime.now(UTC) - timedelta(days=30)) < timedelta(minutes=5)


def test_a_chain_is_as_good_as_a_certificate_alone(authority: Authority, settings: TlsSettings) -> None:
    path = Path(settings.certificate)
    path.write_bytes(path.read_bytes() + authority.pem)
    assert read_tls_files(settings).certificate.count(b"BEGIN CERTIFICATE") == 2


@pytest.mark.parametrize(("days", "said"), [((-9, -1), "it has expired"), ((1, 9), "it is not valid yet")])
def test_a_certificate_out_of_its_time_is_refused(
    authority: Authority, tmp_path: Path, days: tuple[float, float], said: str
) -> None:
    certificate, key = authority.write(tmp_path, "late", days=days)
    assert refusal(TlsSettings(str(certificate), str(key))) == f"`tls.certificate` ({certificate}): {said}"


def test_files_that_do_not_fit_or_are_none_are_refused_by_name(
    authority: Authority, settings: TlsSettings, tmp_path: Path
) -> None:
    other, other_key = authority.write(tmp_path, "other")
    locked, locked_key = authority.write(tmp_path, "locked", password=b"secret")
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("hello")
    nothing.chmod(0o600)
    wrong = {
        (str(other), settings.key): f"`tls.key` ({settings.key}): it is not the key of {other}",
        (str(locked), str(locked_key)): f"`tls.key` ({locked_key}): it has a password; give one without",
        (str(nothing), str(other_key)): f"`tls.certificate` ({nothing}): it and `tls.key` ({other_key}) are no",
        (
            str(tmp_path / "no"),
            str(other_key),
        ): f"`tls.certificate` ({tmp_path / 'no'}): it cannot be read: no such file",
    }
    for (certificate, key), said in wrong.items():
        assert refusal(TlsSettings(certificate, key)).startswith(said)
    clients = TlsSettings(settings.certificate, settings.key, str(nothing))
    assert refusal(clients) == f"`tls.client_ca` ({nothing}): it holds no certificate in PEM"


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604])
def test_a_key_that_others_may_use_is_refused(settings: TlsSettings, mode: int) -> None:
    os.chmod(settings.key, mode)  # noqa: PTH101 - the setting is a text
    assert refusal(settings) == f"`tls.key` ({settings.key}): others may use it (mode {mode:04o}); `chmod 600` it"


def test_a_forgotten_file_is_told_of() -> None:
    assert not TlsSettings().is_on
    assert refusal(TlsSettings(certificate="a")) == "`tls.key` is missing, which TLS needs"
    for settings in (TlsSettings(key="a"), TlsSettings(client_ca="a")):
        assert settings.is_on
        assert refusal(settings) == "`tls.certificate` is missing, which TLS needs"


def serial(context: ssl.SSLContext, authority: Authority) -> str:
    """Of the certificate that a client of a server with this context sees."""
    client = ssl.create_default_context(cadata=authority.pem.decode())
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(back, there, server_hostname="localhost")
    theirs = context.wrap_bio(there, back, server_side=True)
    for _ in range(3):
        for end in (ours, theirs):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return str((ours.getpeercert() or {})["serialNumber"])


def test_each_renewal_is_told_once_and_files_that_hold_the_same_are_none(
    authority: Authority, settings: TlsSettings, tmp_path: Path
) -> None:
    files = read_tls_files(settings)
    authority.write(tmp_path, "server")  # between the start's look and the first of the watcher
    watcher = TlsWatcher(settings, files)
    told: list[TlsFiles] = []
    watcher.subscribe(told.append)
    with capture_logs() as lines:
        for renews in (False, True, True):
            if renews:
                authority.write(tmp_path, "server")
            watcher.look()
            for path in (settings.certificate, settings.key):  # a tool that writes them whether they changed or not
                os.utime(path)
                watcher.look()
    assert [line["event"] for line in lines] == ["tls_reloaded"] * 3
    assert len({files.certificate for files in told}) == 3


def test_a_renewal_that_could_not_be_told_is_told_by_the_next_look(
    authority: Authority, settings: TlsSettings, tmp_path: Path
) -> None:
    watcher = TlsWatcher(settings, read_tls_files(settings))
    told: list[TlsFiles] = []
    is_full = [True]

    def tell(files: TlsFiles) -> None:
        if is_full.pop() if is_full else False:
            raise OSError("the disk is full")
        told.append(files)

    watcher.subscribe(tell)
    authority.write(tmp_path, "server")
    with pytest.raises(OSError, match="full"):
        watcher.look()
    watcher.look()
    assert told == [watcher.files]


def test_changed_files_are_taken_up_by_the_next_handshake_and_wrong_ones_change_nothing(
    authority: Authority, settings: TlsSettings, tmp_path: Path
) -> None:
    watcher = TlsWatcher(settings, read_tls_files(settings))
    told: list[TlsFiles] = []
    watcher.subscribe(told.append)
    context = newest_context(watcher, tmp_path)
    before = serial(context, authority)
    watcher.look()
    assert told == []
    with capture_logs() as lines:
        Path(settings.key).write_text("half a file")
        watcher.look()
        watcher.look()
    assert [line["event"] for line in lines] == ["tls_reload_failed"], "once for each change"
    assert (told, serial(context, authority)) == ([], before)
    authority.write(tmp_path, "server")
    watcher.look()
    assert [files.certificate for files in told] == [Path(settings.certificate).read_bytes()]
    assert watcher.files is told[0]
    assert serial(context, authority) != before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["server-key.pem", "server.pem"], "no copy is left"
