"""Texts are counted a clip over doors, threads and runs; what differs is kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench import sameness

CLIPS = [Path("a.wav"), Path("b.wav")]


@contextmanager
def no_server(_threads: int) -> Iterator[str]:
    yield "http://127.0.0.1:9"


@pytest.fixture
def doors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sameness, "server", no_server)
    monkeypatch.setattr(sameness, "program", lambda: sameness.PROGRAM)
    for door in ("command", "openai", "dashscope", "bulk"):
        monkeypatch.setattr(sameness, f"by_{door}", lambda paths, _: [f"text of {p.name}" for p in paths])


@pytest.mark.usefixtures("doors")
def test_one_text_each() -> None:
    found = sameness.measure(CLIPS, 3)
    assert found["captions"] == 2 * 4 * 2 * 3
    assert (found["most_texts_of_a_clip"], found["clips_with_one_text"], found["differing"]) == (1, 2, {})


@pytest.mark.usefixtures("doors")
def test_a_text_that_differs_once_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    said = iter(range(100))
    odd = "another text"
    monkeypatch.setattr(
        sameness, "by_bulk", lambda paths, _: [odd if next(said) == 5 else f"text of {p.name}" for p in paths]
    )
    found = sameness.measure(CLIPS, 3)
    assert (found["most_texts_of_a_clip"], found["clips_with_one_text"]) == (2, 1)
    assert found["differing"]["b.wav"][odd] == ["bulk/1/2"]


@pytest.mark.usefixtures("doors")
def test_texts_of_two_programs_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sameness, "program", lambda: "another program")
    with pytest.raises(RuntimeError, match="changed while it was measured"):
        sameness.measure(CLIPS, 1)


@pytest.mark.usefixtures("doors")
def test_what_is_known_is_kept_after_each_run() -> None:
    kept: list[int] = []
    sameness.measure(CLIPS, 2, lambda found: kept.append(found["captions"]))
    assert kept == [8, 16, 24, 32]
