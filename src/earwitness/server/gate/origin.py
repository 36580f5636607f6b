"""Whom a server without keys answers: nobody's web page but its own.

A page of another site can make a browser send requests to this machine, and a page whose name was rebound to this
address even looks like ours to the browser. Neither can forge `Host` and `Origin`, so those two decide.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence

HOST = re.compile(r"(?:\[(?P<six>[0-9a-fA-F.]*:[0-9a-fA-F:.]*)\]|(?P<name>[A-Za-z0-9._-]+))(?::[0-9]{1,5})?")
"""What a Host header may be, whole: a name or an address, and a port. What is more is nobody's name."""


def refused(
    headers: Mapping[str, str],
    scheme: str,
    local: str | None,
    names: Sequence[str],
    origins: Sequence[str],
) -> str | None:
    """Why a request is not answered, as a sentence; None if it is.

    Args:
        headers: of the request.
        scheme: `http` or `https`, as the client sees us.
        local: the address of this machine at which the request came in.
        names: further names of this server.
        origins: origins of pages that may call.
    """
    host = headers.get("host", "")
    if not _ours(host, local, names):
        return "This server has no keys and answers only to its own names; name others with --host-name."
    origin = headers.get("origin")
    if origin is None or origin.lower() in (f"{scheme}://{host}".lower(), *(o.lower().rstrip("/") for o in origins)):
        return None
    return "This server has no keys and answers no pages of other sites; name their origins with --origin."


def _ours(host: str, local: str | None, names: Sequence[str]) -> bool:
    found = HOST.fullmatch(host)
    if found is None:
        return False
    name = (found["six"] or found["name"]).lower()
    if name in ("localhost", *(n.lower() for n in names)):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or name == (local or "").lower()
