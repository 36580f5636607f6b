"""Which clips are heard together, and how ids become an account; no model is needed to see it."""

from __future__ import annotations

import numpy as np

from earwitness.caption import Sampling
from earwitness.clip import Clip
from earwitness.engines.qwen_jobs import Account, Job, Row, Waiting
from kit.sounds import clip_of

GREEDY = Sampling(temperature=0)
END = 0


def clip(seconds: float) -> Clip:
    return clip_of(np.zeros(round(seconds * 16_000), np.float32), 16_000)


class Heard:
    """A job and what it was told."""

    def __init__(self, seconds: float = 1.0, sampling: Sampling | None = GREEDY, most: int = 1_000) -> None:
        self.text = ""
        self.ends: list[Account | Exception] = []
        self.job = Job(clip(seconds), sampling, most, self._more, self.ends.append)

    def _more(self, text: str) -> None:
        self.text += text

    def row(self) -> Row:
        return Row(self.job, 13, 23, self.job.most, (END,), lambda ids: bytes(ids).decode("utf-8", "replace"))


def greedy(wish: Sampling | None) -> bool:
    return wish is not None and wish.temperature == 0


def taken(waiting: Waiting) -> list[float]:
    return [j.clip.seconds for j in waiting.take(greedy)]


def test_clips_of_like_length_go_together_in_their_order() -> None:
    waiting = Waiting(3)
    for seconds in (10, 3, 9, 11, 8, 2.5):
        waiting.add(Heard(seconds).job)
    assert taken(waiting) == [10, 9, 11]
    assert taken(waiting) == [3, 2.5]
    assert taken(waiting) == [8]
    assert taken(waiting) == []


def test_alone_where_nothing_else_was_asked_for() -> None:
    waiting = Waiting(1)
    for _ in range(2):
        waiting.add(Heard().job)
    assert [len(waiting.take(greedy)) for _ in range(3)] == [1, 1, 0]


def test_chance_is_not_shared() -> None:
    waiting = Waiting(4)
    for _ in range(2):
        waiting.add(Heard(sampling=Sampling(temperature=1, seed=1)).job)
    assert [len(waiting.take(greedy)) for _ in range(2)] == [1, 1]


def test_a_job_that_waits_can_be_taken_back() -> None:
    waiting, one = Waiting(1), Heard()
    waiting.add(one.job)
    assert waiting.drop(one.job)
    assert not waiting.drop(one.job)
    assert taken(waiting) == []


def test_an_account_ends_at_its_mark_and_what_follows_is_ignored() -> None:
    heard = Heard()
    row = heard.row()
    for token in (*b"Rain.", END, *b"more", END):
        row.take(token)
    assert heard.text == "Rain."
    assert heard.ends == [Account("stop", 13, 23, 5)]


def test_an_account_ends_at_its_budget() -> None:
    heard = Heard(most=3)
    row = heard.row()
    for token in b"Raining":
        row.take(token)
    assert (heard.text, heard.ends) == ("Rai", [Account("length", 13, 23, 3)])


def test_runaway_repetition_ends_an_account() -> None:
    heard = Heard()
    row = heard.row()
    for token in b"A tap drips. " + b"and it drips " * 50:
        row.take(token)
    (end,) = heard.ends
    assert isinstance(end, Account)
    assert end.end == "repetition"
    assert end.made < 250


def test_half_characters_wait_and_long_texts_stay_whole() -> None:
    heard, said = Heard(most=100_000), "".join(f"café {i} — {chr(0x4E00 + i)} 🎺 " for i in range(80))
    row = heard.row()
    seen = []
    for token in said.encode():
        row.take(token)
        seen.append(heard.text)
    row.finish("stop")
    assert heard.text == said
    assert not any("\ufffd" in text for text in seen)


def test_a_caller_who_leaves_ends_its_row() -> None:
    heard = Heard()
    row = heard.row()
    row.take(ord("A"))
    heard.job.stop.set()
    assert row.over
    row.take(ord("B"))
    assert (heard.text, heard.ends) == ("A", [Account("stop", 13, 23, 1)])
