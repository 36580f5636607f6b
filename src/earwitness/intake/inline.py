"""Audio that came inside the call: `data:` URLs and bare base64 text, bounded before decoding.

The service's rules: `data:[type][;...];base64,DATA` needs the `base64` marker; ASCII white space in DATA is
ignored, the alphabet is the standard one, missing padding is tolerated, and everything else is an error. The text
must be shorter than `Limits.base64_chars`, judged on what the caller sent, before anything is decoded.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections.abc import Callable

from earwitness.errors import BadRequest, NoSound
from earwitness.source import InlineSource

_decode: Callable[..., bytes] = base64.b64decode
with contextlib.suppress(ImportError):  # the server's extra brings the fast decoder
    import pybase64

    _decode = pybase64.b64decode
_SPACE = b" \t\n\r\f\v"
MAX_MEDIA_TYPE = 256


def data_url(url: str, limit: int) -> InlineSource:
    """The source that a `data:` URL names, still undecoded.

    Args:
        url: the whole text; the scheme in any case.
        limit: DATA must be shorter than this many characters.

    Raises:
        BadRequest: `invalid_url` if it is no `data:` URL with a base64 marker, `base64_too_large` if it is too long.
    """
    head, comma, data = url.partition(",") if "," in url[: MAX_MEDIA_TYPE + 64] else ("", "", "")
    scheme, _, rest = head.partition(":")
    fields = [field.strip().lower() for field in rest.split(";")]
    if not comma or scheme.strip().lower() != "data" or fields[-1] != "base64":
        raise BadRequest("The data URL is not of the form data:;base64,DATA.", code="invalid_url")
    bounded(data, limit)
    return InlineSource(data, fields[0] or None)


def bounded(text: str, limit: int) -> None:
    """Raises BadRequest (`base64_too_large`) unless `text` is shorter than `limit` characters."""
    if limit and len(text) >= limit:
        raise BadRequest(
            f"The base64 text has {len(text):,} characters; fewer than {limit:,} are taken. "
            "Send a larger file by address or by path.",
            code="base64_too_large",
            limit=limit,
        )


def decode(text: str, limit: int) -> bytes:
    """The bytes of base64 text.

    Raises:
        BadRequest: `base64_too_large`, or `invalid_base64` where anything but the standard alphabet, white space
            and up to two padding characters at the end is found.
        NoSound: nothing after decoding.
    """
    bounded(text, limit)
    try:
        raw = text.encode("ascii")
    except UnicodeEncodeError as error:
        raise _invalid() from error
    raw = raw.translate(None, _SPACE)
    body = raw.rstrip(b"=")
    if len(raw) - len(body) > 2 or len(body) % 4 == 1:
        raise _invalid()
    try:
        data = _decode(body + b"=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _invalid() from error
    if not data:
        raise NoSound("The audio is empty: no bytes were sent.", found="nothing")
    return data


def _invalid() -> BadRequest:
    return BadRequest("The audio data is not valid base64.", code="invalid_base64")
