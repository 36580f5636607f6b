"""Linear algebra in one thread while anything is heard, however many clips are heard at once.

The matrices here are small: threads cost nine times what they bring, and add in another order, so that the last digits
of a score would depend on what else goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import OpenBLASController, ThreadpoolController

_LOCK = threading.Lock()
_HELD: list[Any] = []
"""What each part that is heard now asked for; the first of them is the limit itself."""


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for the linear algebra of this process.

    The limit belongs to the process and not to a thread: the first to come sets it, the last to go gives it back.
    """
    with _LOCK:
        _HELD.append(None if _HELD else ThreadpoolController().limit(limits=1, user_api="blas"))
    try:
        yield
    finally:
        with _LOCK:
            if len(_HELD) > 1:
                _HELD.pop()
            else:
                # The library lets only the thread that set a limit change it again, as long as that thread lives.
                OpenBLASController.clear_controlling_thread(force=True)
                _HELD.pop().restore_original_limits()
