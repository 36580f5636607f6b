"""What the caller gave us, unverified and unopened. `repr` never shows data, credentials or signed queries."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class UrlSource:
    """An http(s) address."""

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class InlineSource:
    """Bytes that came with the call: either raw (`data: bytes`) or still base64 text (`data: str`).

    A `str` is the base64 text itself, without any `data:` prefix; `media_type` is what the caller claimed.
    """

    data: bytes | str = field(repr=False)
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class UploadSource:
    """A file put into the upload store before; `key` is the part after `oss://`."""

    key: str = field(repr=False)
    owner: str = ""


@dataclass(frozen=True, slots=True)
class PathSource:
    """A local file; only the command line, the Python API and bulk make these, never a server."""

    path: Path


Source = UrlSource | InlineSource | UploadSource | PathSource
