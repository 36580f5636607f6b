"""Linear algebra in one thread while anything is heard, however many clips are heard at once.

The matrices here are small: threads cost nine times what they bring, and add in another order, so that the last digits
of a score would depend on what else goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from threadpoolctl import OpenBLASController, ThreadpoolController

T = TypeVar("T")


class _Limit:
    """The limit of the process: the first to come sets it, the last to go gives it back.

    Where the library keeps a limit for each thread, each sets its own as well.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hearing = 0
        self._first: Any = None

    def set(self) -> None:
        with self._lock:
            mine = _allowed(lambda: ThreadpoolController().limit(limits=1, user_api="blas"))
            if self._hearing == 0:
                self._first = mine
            self._hearing += 1

    def give_back(self) -> None:
        with self._lock:
            self._hearing -= 1
            if self._hearing == 0:
                _allowed(self._first.restore_original_limits)
                self._first = None


def _allowed(change: Callable[[], T]) -> T:
    """Does `change`, which may come from any thread: threadpoolctl (from 3.8 on) passes over what another thread asks
    for than the one that changed a limit last, for as long as that one lives."""
    OpenBLASController.clear_controlling_thread(force=True)
    try:
        return change()
    finally:
        OpenBLASController.clear_controlling_thread(force=True)


_LIMIT = _Limit()


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for the linear algebra of this process, until the last that asked for it has gone."""
    _LIMIT.set()
    try:
        yield
    finally:
        _LIMIT.give_back()
