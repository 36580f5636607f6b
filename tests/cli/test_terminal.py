"""Names and messages as a terminal may see them."""

from __future__ import annotations

import json

import pytest

from earwitness.cli.terminal import as_json, called, clean


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("a b.wav", "a b.wav"),
        ("-", "-"),
        ("data:audio/wav;base64," + "A" * 100_000, "data:audio/wav;base64,…"),
        ("https://user:secret@host.example/a/b.mp3?signature=abc#x", "https://host.example/a/b.mp3"),
        ("https://host.example?token=abc", "https://host.example"),
        ("c:\\audio\\x.wav", "c:\\audio\\x.wav"),
        ("a\x1b[31m\nb", "a[31m b"),
        ("bad\udcff.wav", "bad�.wav"),
    ],
)
def test_a_source_is_called_without_secrets_and_commands(given: str, shown: str) -> None:
    assert called(given) == shown


def test_json_hides_nothing_and_commands_nothing() -> None:
    line = as_json({"text": "a\x9b31m\u202eb\x1b"})
    assert json.loads(line) == {"text": "a\x9b31m\u202eb\x1b"}
    assert line.isascii()


def test_clean_keeps_words_of_every_script() -> None:
    text = "“שלום” سلام 你好\n\tend"
    assert clean(text) == text
    assert clean("a\rb\x07") == "ab"
