"""The results that are kept: the newest whole measurement of each part, or the shortened one where there is none.

`bench/results/NAME.json` holds whole measurements, `bench/results/quick/NAME.json` shortened ones, so that a quick run
never replaces a whole one.
"""

from __future__ import annotations

import json
from typing import Any

from bench.machine import RESULTS

QUICK = "quick"


def load(name: str, quick: bool = False) -> dict[str, Any] | None:
    """A result with its `mode` (full, alone or quick); None if it was never measured. `quick`: only a quick one."""
    for folder, mode in ((RESULTS, None), (RESULTS / QUICK, QUICK)):
        if quick and not mode:
            continue
        path = folder / f"{name}.json"
        if path.exists():
            result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return result | {"mode": mode or result.get("mode", "alone")}
    return None


def names() -> list[str]:
    """Of all parts that were measured in either way."""
    return sorted({p.stem for folder in (RESULTS, RESULTS / QUICK) for p in folder.glob("*.json")})
