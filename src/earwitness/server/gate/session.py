"""The session of one open page: whose recordings are whose, and whether a request comes from our own page.

A page makes up 128 random bits when it is opened and names them in `X-Earwitness-Session` with its uploads and with
the caption calls that use them. Only a hash of them is kept, as the owner of what was uploaded.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from earwitness.errors import BadRequest, NotAllowed

HEADER = "x-earwitness-session"
PREFIX = "page-"
_FORM = re.compile(r"[0-9A-Za-z_-]{22,64}")


def short(session: str) -> str:
    """What stands for a session in names and addresses; the session does not follow from it."""
    return hashlib.sha256(b"session:" + session.encode()).hexdigest()[:24]


def owner(headers: Mapping[str, str], otherwise: str) -> str:
    """Whose uploads a request may name: its session's, or those of `otherwise` where it names no session.

    Raises:
        BadRequest: the header is there and is no session.
    """
    given = headers.get(HEADER)
    return otherwise if given is None else PREFIX + short(_checked(given))


def session(headers: Mapping[str, str]) -> str:
    """The hash of the session that a request names.

    Raises:
        BadRequest: it names none.
    """
    return short(_checked(headers.get(HEADER, "")))


def _checked(given: str) -> str:
    if not _FORM.fullmatch(given):
        raise BadRequest("The session of the page is missing or malformed; load the page anew.", field=HEADER)
    return given


def own_page(headers: Mapping[str, str]) -> None:
    """Refuses whatever does not come from a page of this server.

    Browsers say so in `Sec-Fetch-Site`, which no script can set, where the connection is secure or local; elsewhere
    `Origin` has to name the host that was asked.

    Raises:
        NotAllowed: it comes from another site, or from no page at all.
    """
    site = headers.get("sec-fetch-site")
    if site is None:
        host = headers.get("host", "").lower()
        ours = bool(host) and urlsplit(headers.get("origin", "")).netloc.lower() == host
    else:
        ours = site == "same-origin"
    if not ours:
        raise NotAllowed("Only the page of this server may use this address.", code="foreign_origin")
