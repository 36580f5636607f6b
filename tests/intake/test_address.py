"""X01 to X08, X12, X13: which addresses may be fetched, judged without a network."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earwitness.errors import BadRequest, EarwitnessError, Forbidden
from earwitness.intake.address import Allowed, judge, read


def refused(url: str) -> str:
    """The code with which `url` is refused, by reading or by judging its literal address."""

    def fetched() -> None:
        address = read(url)
        judge(address, [str(address.ip)] if address.ip else ["127.0.0.1"], ())

    with pytest.raises((BadRequest, Forbidden)) as raised:
        fetched()
    assert not any(part in raised.value.message for part in ("127", "private", "loopback", "local"))
    return raised.value.code


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:80/a.wav",
        "http://localhost:80/",
        "http://[::1]:80/",
        "http://0.0.0.0:80/",
        "http://[::]:80/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://127.0.0.1.:80/",
        "http://１２７.０.０.１/",
        "http://127。0。0。1/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[::ffff:8.8.8.8]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[64:ff9b:1::808:808]/",
        "http://[2002:7f00:1::]/",
        "http://[2002:808:808::]/",
        "http://[2001:0:808:808::]/",
        "http://[::127.0.0.1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://100.100.100.200/",
        "http://168.63.129.16/",
        "http://[fd00:ec2::254]/",
        "http://[fe80::1]/",
        "http://[fe80::1%25lo]/",
        "http://[fe80::1%lo]/",
    ],
)
def test_x01_to_x05_addresses_of_this_machine_and_its_neighbours(url: str) -> None:
    assert refused(url) in ("forbidden", "invalid_url")


@pytest.mark.parametrize(
    "ip",
    [
        "10.0.0.1",
        "10.255.255.255",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "100.64.0.1",
        "198.18.0.1",
        "198.19.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "192.88.99.1",
        "0.1.2.3",
        "[fc00::1]",
        "[fdff::1]",
        "[ff02::1]",
        "[2001:db8::1]",
        "[100::1]",
        "[fec0::1]",
        "[3fff::1]",
        "[5f00::1]",
    ],
)
def test_x06_ranges_that_are_not_globally_routable(ip: str) -> None:
    assert refused(f"http://{ip}/") == "forbidden"


@pytest.mark.parametrize(
    "url", ["http://8.8.8.8/", "https://[2606:4700:4700::1111]/", "http://172.32.0.1/", "http://[64:ff9b::808:808]/"]
)
def test_public_addresses_pass(url: str) -> None:
    address = read(url)
    assert judge(address, [str(address.ip)], ()) == [str(address.ip)]


def test_x08_one_private_answer_spoils_all() -> None:
    with pytest.raises(Forbidden):
        judge(read("http://good.example/"), ["93.184.216.34", "10.0.0.1"], ())


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.com/a",
        "gopher://example.com/",
        "dict://example.com/",
        "javascript:alert(1)",
        "concat:a|b",
        "pipe:0",
        "rtsp://example.com/",
        "unix:/run/x.sock",
        "data:;base64,AAAA",
        "//example.com/a.wav",
        "/etc/passwd",
        "a.wav",
        "",
        "http:///a",
        "http://",
    ],
)
def test_x12_other_schemes(url: str) -> None:
    assert refused(url) == "invalid_url"


@pytest.mark.parametrize(
    "url",
    [
        "http://good.example@127.0.0.1/",
        "http://user:secret@good.example/",
        "http://@good.example/",
        "http://127.0.0.1#good.example/",
        "http://good.example\\@127.0.0.1/",
        "http://good.example\t.evil/",
        "http://good.example\r\nHost: evil/",
        "http://good.example\n/",
        "http://good.example /",
        "http://good.exam%70le/",
        "http://good.example:99999/",
        "http://good.example:0/",
        "http://good.example:8x/",
        "http://-good.example/",
        "http://good..example/",
        "http://[::1/",
        "http://[::1]@",
        "http://[,]@/",
        "http://[::1]h@//",
        "http://" + "a" * 300 + ".example/",
        "http://good.example/" + "a" * 20_000,
    ],
)
def test_x13_confusing_addresses(url: str) -> None:
    assert refused(url) in ("invalid_url", "forbidden")


def test_percent_signs_are_left_alone_and_other_letters_encoded() -> None:
    address = read("https://Example.COM/%E8%A3%85%41+ä b.wav?sig=a%2Fb&x=%zz#part")
    assert str(address.url) == "https://example.com/%E8%A3%85%41+%C3%A4%20b.wav?sig=a%2Fb&x=%zz"
    assert (address.host, address.port) == ("example.com", 443)
    assert read("http://bücher.example/").host == "xn--bcher-kva.example"


def test_the_allow_list_is_of_name_or_network_and_port() -> None:
    network, name = Allowed.parse("127.0.0.0/8:8000"), Allowed.parse("files.internal:*")
    assert judge(read("http://127.0.0.1:8000/"), ["127.0.0.1"], (network,))
    assert judge(read("http://files.internal:81/"), ["10.1.2.3"], (name,))
    for url, answer in (("http://127.0.0.1:8001/", "127.0.0.1"), ("http://x.files.internal/", "10.1.2.3")):
        with pytest.raises(Forbidden):
            judge(read(url), [answer], (network, name))
    assert Allowed.parse("[::1]:80").covers("::1", read("http://[::1]/").ip, 80)


@pytest.mark.parametrize(
    "text", ["", "127.0.0.1", "host:0", "host:70000", "host:x", ":80", "a b:80", "0x7f.1:80", "10.0.0.0/40:80"]
)
def test_allow_list_entries_that_are_none(text: str) -> None:
    with pytest.raises(BadRequest) as raised:
        Allowed.parse(text)
    assert raised.value.code == "settings"


@given(st.text(max_size=80), st.sampled_from(["http://", "https://", "", "http://127.0.0.1"]))
def test_any_text_is_judged_without_a_crash(text: str, scheme: str) -> None:
    try:
        address = read(scheme + text)
    except EarwitnessError:
        return
    assert address.host == address.host.strip().lower()
    assert "\n" not in str(address.url)
    assert address.url.raw_host == address.host
