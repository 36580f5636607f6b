"""Whether values rise or fall all along."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

FEWEST = 4
"""Two values lie on a line whatever they are, three nearly so."""
FLAT = 1e-6
"""Standard deviation below which values change by rounding alone."""


def trend(values: npt.NDArray[np.floating[Any]]) -> tuple[float, float]:
    """Change from the first to the last point of the least-squares line through equally spaced values, in their unit,
    and their correlation with it (-1 to 1); both 0 where there are too few values or they do not change."""
    if len(values) < FEWEST or float(values.std()) < FLAT:
        return 0.0, 0.0
    place = np.arange(len(values), dtype=np.float64)
    slope = float(np.polyfit(place, values, 1)[0])
    return slope * (len(values) - 1), float(np.corrcoef(place, values)[0, 1])
