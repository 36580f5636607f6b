"""When a decoded text may count as heard. A recogniser fed with noise writes sentences; these gates stop them.

The limits are in `certainty/speech.toml`, from trials on recordings with and without speech.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

TAG = re.compile(r"^\W*[\[(（【♪*].*[\])）】♪*]\W*$|^[\W_]*$")
STOCK = re.compile(
    r"\b(thanks? (you )?(so much )?for (watching|listening|your attention)|"
    r"(please )?(like and )?subscribe( to (my|our|the) channel)?|(sub)?titles? by|captions? by|amara\.org|"
    r"transcri(bed|ption) by|see you (in the )?next (time|video)|"
    r"untertitel(ung)?( der amara| von| im auftrag)|sous-titr(es|age)|subtítulos|legendas? por|sottotitoli|"
    r"субтитры|редактор субтитров|продолжение следует|altyazı|napisy)\b"
    r"|ご視聴ありがとう|字幕|订阅|訂閱|點贊|点赞|시청해\s*주셔서",
    re.IGNORECASE,
)
LONE = re.compile(r"^\W*(music|musik|musique|música|musica|музыка|applause|laughter|beep|silence|you|bye|oh|uh|ah|"
                  r"hmm+|mm+|shh+|huh|ha|boom|bang|音乐|音樂|音楽)\W*$", re.IGNORECASE)  # fmt: skip


def compression(text: str) -> float:
    """Length of `text` in bytes over its compressed length: loops compress well."""
    data = text.encode("utf-8")
    return len(data) / len(zlib.compress(data)) if data else 0.0


def looped(units: Sequence[str]) -> bool:
    """Whether some run of units (words, or characters) comes more than three times in a row (a single one: four)."""
    n = len(units)
    for size in range(1, min(12, n // 4) + 1):
        need = (5 if size == 1 else 4) * size
        same = 0
        for i in range(size, n):
            same = same + 1 if units[i] == units[i - size] else 0
            if same >= need - size:
                return True
    return False


def stock(text: str) -> bool:
    """Whether `text` is a phrase that recognisers write for noise, a bare bracketed tag, or nothing."""
    return bool(TAG.match(text) or STOCK.search(text))


def lone(text: str) -> bool:
    """Whether `text` is nothing but one word of a kind that noises are taken for."""
    return bool(LONE.match(text))


def units(text: str) -> list[str]:
    """The words of `text` in lower case, or its characters where a script has no blanks."""
    words = re.findall(r"[^\W_]+", text.lower())
    if sum(len(w) for w in words if re.match(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]", w)) * 2 > len(text):
        return [c for w in words for c in w]
    return words
