"""What can be set about the page. Data only, so that the settings can compose it without loading a web library."""

from __future__ import annotations

from dataclasses import dataclass

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class PageOptions:
    """Options of the page at `/`. Sizes in bytes, times in seconds."""

    on: bool = True
    """Whether `earwitness serve` serves the page at all. Default true."""

    file_limit: int = GIB
    """Largest recording that a page may bring. Default 1 GiB, as for a recording from an address."""

    keep_s: int = 3600
    """How long a recording of a page lives at most; it is gone as soon as the page is closed. Default one hour."""

    room: int = 4 * GIB
    """Most bytes of all recordings of open pages, per process. Default 4 GiB."""

    folder: str = ""
    """Folder of the recordings of open pages; empty: `page` in the data folder of the user."""
