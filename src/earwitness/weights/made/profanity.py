"""One table of strong language from two published word lists.

`naughty-words` (LDNOOBW, CC-BY-4.0) has plain lists in 28 languages; `cuss` (MIT) grades the words of some of them by
how sure it is that they are meant as such. The finished `words.json` maps a language code to words, each with its
grade: 0 unlikely, 1 maybe, 2 certain, or null where nobody graded it.
"""

from __future__ import annotations

import ast
import json
import re
import tarfile
from pathlib import Path

_WORD = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^\s:'\"/*]+"
_GRADED = re.compile(rf"^\s*(?P<word>{_WORD})\s*:\s*(?P<grade>[012])\s*,?\s*$")
# cuss's files and the languages that they are of; European and Brazilian Portuguese are one to a listener.
_CUSS = {"index": "en", "ar-latn": "ar-Latn", "es": "es", "fr": "fr", "it": "it", "pt": "pt", "pt-pt": "pt"}
_LIST = re.compile(r"package/(?P<language>[a-z]{2,3}(?:-[A-Za-z-]+)?)\.json")
_NOT_LISTS = {"bower", "package", "package-lock"}

Words = dict[str, dict[str, int | None]]


def make(inputs: Path, out: Path) -> None:
    """Writes `words.json` from `naughty-words.tgz` and `cuss.tgz`.

    Raises:
        ValueError: not the archives that this recipe knows.
    """
    words: Words = {}
    try:
        _add_lists(inputs / "naughty-words.tgz", words)
        _add_grades(inputs / "cuss.tgz", words)
    except (tarfile.TarError, OSError) as error:
        raise ValueError(f"not an archive: {error}") from error
    table = {language: dict(sorted(found.items())) for language, found in sorted(words.items())}
    (out / "words.json").write_text(json.dumps(table, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


def _add_lists(archive: Path, words: Words) -> None:
    for name, text in _texts(archive, ".json"):
        match = _LIST.fullmatch(name)
        if match and match["language"] not in _NOT_LISTS:
            language = "fr" if match["language"].startswith("fr-") else match["language"]
            for word in json.loads(text):
                words.setdefault(language, {}).setdefault(word.casefold(), None)


def _add_grades(archive: Path, words: Words) -> None:
    for name, text in _texts(archive, ".js"):
        language = _CUSS.get(name.removeprefix("package/").removesuffix(".js"))
        for line in text.splitlines() if language else ():
            if (match := _GRADED.match(line)) and language:
                word = match["word"]
                spelled = str(ast.literal_eval(word)) if word[0] in "'\"" else word
                known = words.setdefault(language, {})
                known[spelled.casefold()] = max(known.get(spelled.casefold()) or 0, int(match["grade"]))


def _texts(archive: Path, suffix: str) -> list[tuple[str, str]]:
    with tarfile.open(archive, "r:gz") as files:
        members = sorted(
            (m for m in files.getmembers() if m.isfile() and m.name.endswith(suffix)), key=lambda m: m.name
        )
        opened = [(m.name, files.extractfile(m)) for m in members]
        return [(name, file.read().decode("utf-8")) for name, file in opened if file is not None]
