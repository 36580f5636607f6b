"""Which network addresses may be fetched: one parser, one judgement.

A URL is read once, by the parser that also connects (yarl, as used by aiohttp), after a strict look at its characters.
Every address that a host's name resolves to is judged, and the connection is made to a judged address. Allowed is what
is globally routable unicast; what the operator put on the allow-list besides, by name or network *and* port.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote

import idna
from yarl import URL

from earwitness.errors import BadRequest, Forbidden

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_URL = 16_384
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)*{_LABEL}\Z")
_NUMBER = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)\Z")
_ASCII = "".join(map(chr, range(0x21, 0x7F)))

# IPv4 ranges that `is_global` of the standard library does not leave out in every version, and IPv6 ranges that hide
# other addresses (Teredo, 6to4, local NAT64) or name no host of the open net.
_NOT_PUBLIC_4 = (
    "0.0.0.0/8,100.64.0.0/10,192.0.0.0/24,192.31.196.0/24,192.52.193.0/24,192.88.99.0/24,192.175.48.0/24,"
    "198.18.0.0/15,224.0.0.0/4,240.0.0.0/4"
)
_NOT_PUBLIC_6 = "2001::/23,2001:db8::/32,2002::/16,3fff::/20,64:ff9b:1::/48"
NOT_PUBLIC = tuple(ipaddress.ip_network(text) for text in f"{_NOT_PUBLIC_4},{_NOT_PUBLIC_6}".split(","))
GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
NAT64 = ipaddress.ip_network("64:ff9b::/96")
METADATA = ipaddress.ip_address("168.63.129.16")
"""Azure's host agent: globally routable by its number, reachable only from inside."""


@dataclass(frozen=True, slots=True)
class Address:
    """A URL that may be looked at further: `url` as it will be requested, `host` in ASCII, `port`, `ip` if literal."""

    url: URL
    host: str
    port: int
    ip: IPAddress | None


@dataclass(frozen=True, slots=True)
class Allowed:
    """An entry of the allow-list: a name or a network, and a port (`None`: every port)."""

    name: str | None
    network: IPNetwork | None
    port: int | None

    @staticmethod
    def parse(text: str) -> Allowed:
        """From "name:port", "1.2.3.4:port", "10.0.0.0/8:port" or "[::1]:port"; the port may be `*`.

        Raises:
            BadRequest: `settings`, for anything else.
        """
        host, colon, port = text.strip().rpartition(":")
        if not colon or not host or (port != "*" and not (port.isdecimal() and 0 < int(port) < 65536)):
            raise BadRequest(f"{text!r} is not of the form HOST:PORT or NETWORK:PORT.", code="settings")
        number = None if port == "*" else int(port)
        bare = host.replace("[", "").replace("]", "")
        try:
            return Allowed(None, ipaddress.ip_network(bare), number)
        except ValueError:
            name = bare.lower().rstrip(".")
        if not _HOST.match(name) or _NUMBER.match(name.rpartition(".")[2]):
            raise BadRequest(f"{text!r} names no host and no network.", code="settings")
        return Allowed(name, None, number)

    def covers(self, host: str, ip: IPAddress, port: int) -> bool:
        """Whether the entry lets `ip`, which `host` resolved to, be reached at `port`."""
        if self.port is not None and self.port != port:
            return False
        if self.network is not None:
            return ip.version == self.network.version and ip in self.network
        return self.name == host


def read(text: str) -> Address:
    """The address that `text` names.

    Raises:
        BadRequest: `invalid_url`: not http or https, no host, credentials, characters that no URL has.
        Forbidden: a host written in a way that only serves to hide an address.
    """
    text = text.strip(" ")
    if not text or len(text) > MAX_URL or "\\" in text or any(ord(c) < 0x20 or ord(c) == 0x7F for c in text):
        raise _invalid("it is empty, too long or has characters that no address has")
    try:
        url = URL(quote(text, safe=_ASCII), encoded=True)
        scheme, host, port = url.scheme, URL(text.partition("?")[0].partition("#")[0]).host, url.port
    except (ValueError, LookupError) as error:  # yarl looks past the end of `http://[::1]@`
        raise _invalid("it cannot be read") from error
    if scheme not in ("http", "https"):
        raise _invalid("only http and https addresses are fetched")
    if not host or url.user is not None or url.password is not None or "@" in url.raw_authority:
        raise _invalid("it has no host, or a user name before it")
    if port is None or not 0 < port < 65536:
        raise _invalid("its port is out of range")
    name, ip = _host(host)
    return Address(url.with_host(name).with_fragment(None), name, port, ip)


def _host(host: str) -> tuple[str, IPAddress | None]:
    """The host in ASCII and lower case without a final dot, and its address if it is one."""
    if "%" in host:
        raise Forbidden("The address may not be fetched.")
    if ":" in host:
        try:
            return host, ipaddress.IPv6Address(host)
        except ValueError as error:
            raise _invalid("its host is no address") from error
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError) as error:
            raise _invalid("its host is no name") from error
    host = host.lower()
    name = host[:-1] if host.endswith(".") else host
    if not _HOST.match(name):
        raise _invalid("its host is no name")
    if _NUMBER.match(name.rpartition(".")[2]):
        try:
            return name, ipaddress.IPv4Address(name)
        except ValueError as error:  # 127.1, 0x7f000001, 0177.0.0.1, 2130706433
            raise Forbidden("The address may not be fetched.") from error
    return name, None


def _invalid(why: str) -> BadRequest:
    return BadRequest(f"The address is not valid: {why}.", code="invalid_url")


def public(ip: IPAddress) -> bool:
    """Whether `ip` is a globally routable unicast address that hides no other."""
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None or ip.scope_id is not None:
            return False
        if ip in NAT64:
            return public(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        if ip not in GLOBAL_UNICAST:
            return False
    if ip == METADATA or any(ip.version == net.version and ip in net for net in NOT_PUBLIC):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_loopback)


def judge(address: Address, answers: list[str], allowed: tuple[Allowed, ...]) -> list[str]:
    """The addresses to connect to: all of `answers` (texts of IP addresses), or none.

    Raises:
        Forbidden: if one of them is neither public nor on the allow-list. Says nothing about which or why.
    """
    for answer in answers:
        try:
            ip = ipaddress.ip_address(answer)
        except ValueError as error:
            raise Forbidden("The address may not be fetched.") from error
        if not public(ip) and not any(entry.covers(address.host, ip, address.port) for entry in allowed):
            raise Forbidden("The address may not be fetched.")
    return answers
