"""Opening and closing: what the clip consists of."""

from __future__ import annotations

from typing import Literal

from earwitness.scene.evidence.evidence import Evidence
from earwitness.scene.evidence.observation import Quality
from earwitness.scene.evidence.part import Part
from earwitness.scene.writer.content import setting
from earwitness.scene.writer.content.memory import Memory
from earwitness.scene.writer.messages import (
    RANK,
    Closing,
    Element,
    Formed,
    Happening,
    Message,
    Opening,
    Person,
    Playing,
    Speaking,
    Toned,
)

LONG_S = 60.0
"""What dominates the first part is not said of clips longer than this."""

CROWD = 3
"""With more things than this a closing leaves out the room, which has a sentence of its own."""

MOST = 5
"""Things that an opening or closing names."""

Silent = Literal["", "silent", "faint", "noise"]


def _speech(told: list[Speaking], key: str) -> tuple[Element, tuple[str, ...]]:
    persons: dict[str, Person] = {t.person.name: t.person for t in told}
    languages = tuple(dict.fromkeys(t.language for t in told if t.language_certainty == "sure"))
    ids = tuple(dict.fromkeys(i for t in told for i in t.because))
    start = min(t.start for t in told)
    return Element(what="speech", persons=tuple(persons.values()), languages=languages, start=start, concept=key), ids


def elements(messages: list[Message], memory: Memory) -> list[tuple[Element, tuple[str, ...], float]]:
    """What is told, as elements with ids and salience, in order of first appearance. Memory keeps them all."""
    found: list[tuple[Element, tuple[str, ...], float]] = []
    spoken = [m for m in messages if isinstance(m, Speaking) and not m.sung]
    if spoken:
        element, ids = _speech(spoken, "speech")
        found.append((element, ids, 1.0))
    for m in messages:
        element_of = _element(m)
        if element_of is not None:
            found.append((element_of, m.because, m.salience))
    found.sort(key=lambda f: (f[0].start, f[0].what, f[0].concept))
    for element, ids, _ in found:
        memory.add(f"{element.what}:{element.concept}:{element.guess}", element, ids)
    return found


def _element(m: Message) -> Element | None:
    if isinstance(m, Happening) and not m.closes and not m.again:
        return Element(
            what="sound", certainty=m.certainty, concept=m.asserted, form=m.form, count=m.count, start=m.start,
            guess=m.guess,
        )  # fmt: skip
    if isinstance(m, Playing) and not m.closes and not m.again and RANK[m.certainty] >= 1:
        return Element(
            what="music", certainty=m.certainty, concept="music", instruments=m.instruments, solo=m.solo, start=m.start
        )
    if isinstance(m, Formed):
        return Element(
            what="shape",
            certainty=m.certainty,
            concept=f"{m.texture}.{m.region}.{m.contour}",
            count=m.count,
            start=m.start,
            guess=m.guess,
        )
    if isinstance(m, Toned) and not m.closes:
        return Element(what="tone", certainty=m.certainty, concept=m.form, frequencies=m.frequencies_hz, start=m.start)
    return None


def _most(found: list[tuple[Element, tuple[str, ...], float]]) -> tuple[tuple[Element, ...], tuple[str, ...], int]:
    kept = sorted(range(len(found)), key=lambda i: (-found[i][2], i))[:MOST]
    chosen = [found[i] for i in sorted(kept)]
    return tuple(c[0] for c in chosen), tuple(i for c in chosen for i in c[1]), len(found) - len(chosen)


def opening(
    evidence: Evidence,
    part: Part,
    memory: Memory,
    found: list[tuple[Element, tuple[str, ...], float]],
    silent: Silent,
    ids: tuple[str, ...],
) -> Opening:
    """The first message of the first part. `ids`: what silence rests on."""
    chosen, because, more = _most(found)
    if silent == "noise" and not chosen:
        noises = [q for q in part.observations if isinstance(q, Quality) and q.what.startswith("noise_")]
        chosen, because = (Element(what="noise", concept=noises[0].what),), (noises[0].id,)
        memory.add(f"noise:{noises[0].what}", chosen[0], because)
    memory.fault = setting.fault(part) if chosen else memory.fault
    because = (*because, *memory.fault[1])
    fallback = tuple(o.id for o in part.observations[:1]) or tuple(c.id for c in part.coverage[:1])
    return Opening(
        because=because or ids or fallback, salience=1.0, span=part.span, seconds=evidence.facts.seconds,
        elements=chosen, silent=silent if silent == "noise" or not chosen else "", whole=part.last, more=more,
        lead=part.last and len(chosen) == 1 and not more and silent != "noise" and len(chosen[0].persons) < 2,
        fault=memory.fault[0],
    )  # fmt: skip


def closing(evidence: Evidence, memory: Memory, silent: Silent, summary: bool) -> Closing | None:
    """The account in one sentence. None: nothing was heard and nothing can be rested on."""
    found = [(e, memory.element_ids[k], 0.5) for k, e in memory.elements.items()]
    found.sort(key=lambda f: (f[0].start, f[0].what, f[0].concept))
    speech = [f for f in found if f[0].what in ("speech", "music")]
    rest = [f for f in found if f[0].what not in ("speech", "music")]
    chosen = sorted([*speech, *rest[: max(1, MOST - len(speech))]], key=lambda f: f[0].start)
    because = tuple(dict.fromkeys(i for f in chosen for i in f[1]))
    more = (*memory.reading, *memory.fault[1], *(i for ids in memory.feeling_ids.values() for i in ids))
    because = tuple(dict.fromkeys((*because, *more))) if because else ()
    if not because:
        because = tuple(o.id for o in evidence.observations[:3]) or tuple(c.id for c in evidence.coverage[:3])
    if not because:
        return None
    return Closing(
        because=because, salience=0.9, seconds=evidence.facts.seconds, elements=tuple(f[0] for f in chosen),
        silent="" if chosen else silent, room=memory.room if len(chosen) <= CROWD else None, summary=summary,
        feelings=tuple((k, *v) for k, v in memory.feelings.items()), reading=bool(memory.reading),
        fault=memory.fault[0] if evidence.facts.seconds < LONG_S else "",
    )  # fmt: skip
