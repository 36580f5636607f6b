"""The sensitive listener: flags for sounds by the two-patch rule, hedged below it. A flag is a pointer, no verdict.

Score: 0.8 to 1 where one patch reaches the category's `strong` threshold and a patch beside it `beside`; 0.4 to 0.79
where a patch only reaches `hint`. Inside recognised speech, where class scores mislead, only the rule itself counts.
"""

from __future__ import annotations

import numpy as np

from earwitness.clip import Clip, Floats
from earwitness.scene.evidence.evidence import overlap
from earwitness.scene.evidence.observation import Flag, Observation, Sound, Span, Utterance
from earwitness.scene.evidence.part import Coverage
from earwitness.scene.listeners.listener import Context, Patches, Report
from earwitness.scene.ontology.concepts import Category, ontology

STRONG, HINT = 0.8, 0.4
APART_S = 1.5
"""Patches of one category closer than this are one flag."""

ABSOLUTE_LEAD = 0.3
"""Of gunfire and explosion only what leads the other bangs by this is flagged by the rule; less is a hint."""


def column(patches: Patches, concepts: tuple[str, ...]) -> Floats:
    """Highest score of the concepts' classes per patch, 0 where nothing is audible."""
    labels = [label for key in concepts for label in ontology()[key].labels]
    picked = [i for i, label in enumerate(patches.classes) if label in labels]
    if not picked:
        return np.zeros(len(patches.times), np.float32)
    best: Floats = np.where(patches.audible, np.round(patches.scores[:, picked].max(axis=1), 3), 0.0).astype(np.float32)
    return best


def by_rule(score: Floats, category: Category) -> list[int]:
    """Patches that are strong and have a neighbour that is not weak."""
    padded = np.pad(score, 1)
    beside = np.maximum(padded[:-2], padded[2:])
    return [int(i) for i in np.flatnonzero((score >= category.strong) & (beside >= category.beside))]


def _runs(picked: list[int], times: Floats) -> list[list[int]]:
    out: list[list[int]] = []
    for i in picked:
        if out and float(times[i] - times[out[-1][-1]]) <= APART_S:
            out[-1].append(i)
        else:
            out.append([i])
    return out


class SensitiveListener:
    """Flags of the fixed categories that sounds can raise."""

    name = "sensitive"

    def listen(self, clip: Clip, span: Span, context: Context) -> Report:  # noqa: ARG002
        """Flags of the span, from `shared["patches"]`; `skipped` where the sound listener gave none."""
        patches = context.shared.get("patches")
        if not isinstance(patches, Patches):
            return Report((), (Coverage(self.name, span, "skipped", "no class scores for this part"),))
        spoken = [o.span for o in context.so_far if isinstance(o, Utterance)]
        sounds = [o for o in context.so_far if isinstance(o, Sound)]
        found: list[Observation] = []
        for category in ontology().categories.values():
            if category.source == "sound":
                found += self._flags(patches, category, span, spoken, sounds)
        return Report(tuple(sorted(found, key=lambda o: (o.start, o.id))), (Coverage(self.name, span, "ran"),))

    def _flags(
        self, patches: Patches, category: Category, part: Span, spoken: list[Span], sounds: list[Sound]
    ) -> list[Flag]:
        score = column(patches, category.concepts)
        sure = set(self._leading(patches, category, by_rule(score, category), score))
        hints = [int(i) for i in np.flatnonzero(score >= category.hint)]
        out: list[Flag] = []
        for run in _runs(sorted({*sure, *hints}), patches.times):
            start = float(patches.times[run[0]])
            span = (
                round(max(part[0], start), 2),
                round(min(part[1], float(patches.times[run[-1]]) + patches.seconds), 2),
            )
            strong = any(i in sure for i in run)
            talking = sum(overlap(span, s) for s in spoken) >= 0.5 * (span[1] - span[0])
            if not strong and talking:
                continue
            peak = float(score[run].max())
            value = (
                STRONG + 0.2 * (peak - category.strong) / max(1e-3, 1 - category.strong)
                if strong
                else HINT + 0.39 * peak
            )
            out.append(self._flag(category, span, round(min(value, 0.99 if strong else 0.79), 3), sounds))
        return out

    def _leading(self, patches: Patches, category: Category, picked: list[int], score: Floats) -> list[int]:
        """Of a family of confused sounds only patches in which the category leads the others count by the rule."""
        families = {f.key: f for key in category.concepts for f in ontology().family_of(key)}
        if "bang" not in families:
            return picked
        others = column(patches, tuple(m for m in families["bang"].members if m not in category.concepts))
        return [i for i in picked if round(float(score[i] - others[i]), 3) >= ABSOLUTE_LEAD]

    def _flag(self, category: Category, span: Span, score: float, sounds: list[Sound]) -> Flag:
        known = ontology()
        rests = tuple(
            s.id
            for s in sounds
            if overlap(s.span, span) > 0
            and any(known.within(c, s.concept) or known.within(s.concept, c) for c in category.concepts)
        )
        return Flag(span=span, score=score, listener=self.name, category=category.key, rests_on=rests)
