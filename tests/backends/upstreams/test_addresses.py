"""How servers elsewhere are named, and which of their addresses may be called."""

import pytest

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.upstreams.addresses import Place, check_entry, check_url, is_listed, may_connect, place_of
from panope_backends.upstreams.description import checked_upstream, read_upstream


@pytest.mark.parametrize(
    ("url", "kept", "place"),
    [
        ("https://api.example.org/v1/", "https://api.example.org/v1", Place("api.example.org", 443)),
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1", Place("127.0.0.1", 8000)),
        ("http://[::1]:80", "http://[::1]:80", Place("::1", 80)),
        ("https://EXAMPLE.org", "https://EXAMPLE.org", Place("example.org", 443)),
        ("http://vllm_1.models.svc/a.b/~c", "http://vllm_1.models.svc/a.b/~c", Place("vllm_1.models.svc", 80)),
    ],
)
def test_an_address_is_kept_as_it_is_written(url: str, kept: str, place: Place) -> None:
    assert check_url(url) == kept
    assert place_of(url) == place


@pytest.mark.parametrize(
    "url",
    [
        *("", "h", "//h", "file:///etc/passwd", "ftp://h", "https:/h", "https:h", "HTTPS://h", "unix:/run/x"),
        *("https://user@h", "https://user:word@h", "https://a@b@c/", "https://h@127.0.0.1/"),
        *("https://h?x", "https://h#x", "https://h/?", "https://h/#", "https://h/a?b"),
        *("http://0x7f.1/", "http://2130706433", "http://127.1", "http://0177.0.0.1", "http://127.0.0.1.", "http://0"),
        *("http://[::1", "http://::1", "http://[::1%25eth0]/", "http://[127.0.0.1]x", "http://[h]/"),
        *("https://h/../x", "https://h/./x", "https://h//x", "https://h/%2e%2e", "https://h/a;b", "https://h/\u00e9"),
        *("https://h\\@x", "https://h\tx", "https://h\nx", "https://h x", "https://h\u2024x", "https://\u00e9.org"),
        *("https://h:0", "https://h:99999", "https://h:-1", "https://h:8 0", "https://h:", "https://-h.org"),
        *(
            "https://a..b/",
            "https://.h",
            "https://" + "a" * 64,
            "https://" + "a." * 127 + "a",
            "https://h/" + "a" * 1000,
        ),
    ],
)
def test_what_two_programs_may_read_differently_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        check_url(url)
    assert refusal.value.field == "upstream.url"


def test_hosts_are_listed_by_name_port_and_domain() -> None:
    listed = ("api.example.org", "one.org:8443", "*.internal", "[::1]:9")
    for host, port in [("api.example.org", 1), ("one.org", 8443), ("a.internal", 2), ("a.b.internal", 2), ("::1", 9)]:
        assert is_listed(Place(host, port), listed)
    for host, port in [("example.org", 1), ("x.api.example.org", 1), ("one.org", 443), ("internal", 2), ("::1", 8)]:
        assert not is_listed(Place(host, port), listed)
    assert not is_listed(Place("xinternal", 2), listed)
    assert not is_listed(Place("h", 1), ())
    for entry in ("*.1.2.3.4", "h/x", "a b", "h:0", "*", "*.*.org"):
        with pytest.raises(ValueError, match=r"host|port|domain"):
            check_entry(entry)


@pytest.mark.parametrize(
    ("address", "by_default", "in_private_networks"),
    [
        ("8.8.8.8", True, True),
        ("2606:4700::1111", True, True),
        *((a, False, True) for a in ("127.0.0.1", "10.1.2.3", "192.168.1.1", "100.64.0.1", "::1", "fd00::1")),
        *((a, False, True) for a in ("::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::ffff:10.0.0.1")),
        *((a, False, False) for a in ("169.254.169.254", "fe80::1", "fe80::1%eth0", "0.0.0.0", "::", "224.0.0.1")),
        *((a, False, False) for a in ("::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "ff02::1")),
        *((a, False, False) for a in ("64:ff9b:1::a9fe:a9fe", "::169.254.169.254", "2002:a9fe:a9fe::1")),
        *((a, False, False) for a in ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16")),
        *((a, False, False) for a in ("192.0.0.192", "::ffff:100.100.100.200")),
        *((a, False, True) for a in ("64:ff9b:1::7f00:1", "::127.0.0.1")),
        *((a, True, True) for a in ("64:ff9b::808:808", "64:ff9b:1::808:808")),
    ],
)
def test_names_lead_to_public_addresses_and_where_allowed_to_private_ones(
    address: str, by_default: bool, in_private_networks: bool
) -> None:
    assert may_connect(address, "a.example", private=False) is by_default
    assert may_connect(address, "a.example", private=True) is in_private_networks
    assert may_connect(address, "127.0.0.1", private=False), "an address was listed as such"


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        (("https://h", "smtp", "m"), "upstream.protocol"),
        (("https://h", "openai", ""), "upstream.model"),
        (("https://h", "tgi", "m"), "upstream.model"),
        (("https://h", "openai", "m\n"), "upstream.model"),
        (("https://h", "openai", "m" * 201), "upstream.model"),
        (("https://h", "openai", "m", "detect"), "task_hints"),
        (("https://h", "kserve", "m", "embed"), "task_hints"),
        (("h", "openai", "m"), "upstream.url"),
    ],
)
def test_a_description_names_the_field_at_fault(fields: tuple[str, ...], at_fault: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        checked_upstream(*fields)
    assert refusal.value.field == at_fault


def test_a_description_is_read_as_it_was_written() -> None:
    written = checked_upstream("https://h/v1/", "openai", "m", "embed")
    assert read_upstream(written.to_json()) == written
    named = b'{"url": "https://a@b", "protocol": "openai", "model": "m"}'
    for content in (b"", b"{}", written.to_json() + b"x", named):
        with pytest.raises(PreconditionError):
            read_upstream(content)
