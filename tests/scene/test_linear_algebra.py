"""One thread for linear algebra, also where clips are heard side by side."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from earwitness.scene.linear_algebra import one_thread


def threads() -> set[int]:
    """Threads that the linear algebra of this process may use now."""
    np.dot(np.ones((2, 2)), np.ones((2, 2)))  # loaded
    return {row["num_threads"] for row in ThreadpoolController().info() if row["user_api"] == "blas"}


def test_the_limit_holds_until_the_last_has_gone_and_is_given_back() -> None:
    before = threads()
    first_in, second_in, first_out = threading.Event(), threading.Event(), threading.Event()
    seen: dict[str, set[int]] = {}

    def first() -> None:
        with one_thread():
            first_in.set()
            assert second_in.wait(10)
        first_out.set()

    def second() -> None:
        assert first_in.wait(10)
        with one_thread():
            second_in.set()
            assert first_out.wait(10)
            seen["alone"] = threads()

    both = [threading.Thread(target=work) for work in (first, second)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert seen["alone"] == {1}
    assert threads() == before


def test_a_thread_that_has_heard_and_lives_on_is_in_nobodys_way() -> None:
    before = threads()
    heard, over = threading.Event(), threading.Event()

    def first() -> None:
        with one_thread():
            pass
        heard.set()
        assert over.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    assert heard.wait(10)
    try:
        assert threads() == before
        with one_thread():
            assert threads() == {1}
        assert threads() == before
    finally:
        over.set()
        thread.join()


def test_an_error_gives_it_back_too() -> None:
    before = threads()
    with pytest.raises(ZeroDivisionError), one_thread():
        raise ZeroDivisionError
    assert threads() == before
