"""Who listened where, with spans in which a listener cannot tell."""

from __future__ import annotations

import pytest

from earwitness.scene.evidence.observation import Span
from earwitness.scene.evidence.part import covered


@pytest.mark.parametrize(
    ("but", "expected"),
    [
        ([], [(0.0, 30.0, "ran")]),
        ([(4.0, 6.0)], [(0.0, 4.0, "ran"), (4.0, 6.0, "skipped"), (6.0, 30.0, "ran")]),
        # in any order, overlapping, beyond the end
        ([(29.0, 33.0), (4.0, 6.0), (5.0, 7.0)],
         [(0.0, 4.0, "ran"), (4.0, 6.0, "skipped"), (6.0, 7.0, "skipped"),
          (7.0, 29.0, "ran"), (29.0, 30.0, "skipped")]),
    ],
)  # fmt: skip
def test_coverage_tiles_the_span_but_for_what_cannot_be_told(
    but: list[Span], expected: list[tuple[float, float, str]]
) -> None:
    found = covered("speech", (0.0, 30.0), but, "music")
    assert [(*c.span, c.state) for c in found] == expected
    assert len({c.id for c in found}) == len(found)
    assert all((c.reason == "music") is (c.state == "skipped") for c in found)
