"""Evidence to messages: what could be said of a part, how sure it is and how much it matters."""

from __future__ import annotations

from dataclasses import replace

from earwitness.scene.evidence.evidence import Evidence
from earwitness.scene.evidence.part import Part
from earwitness.scene.writer.content import happenings, manner, meaning, music, overview, setting, sounds, speech
from earwitness.scene.writer.content.memory import Memory
from earwitness.scene.writer.messages import Message, Playing

SUMMED_S = 25.0
"""A clip of one thing is summed up from this length on; one of several things always."""

__all__ = ["Memory", "closing", "determine"]


def determine(evidence: Evidence, part: Part, memory: Memory, first: bool) -> tuple[Message, ...]:
    """Messages of one part; `evidence` holds this part and all before it. In order of time within a kind."""
    told: list[Message] = []
    named = happenings.overlaid(happenings.happenings(part, memory, first), part)
    formed = happenings.shapes(part, named, memory)
    music_told = music.playing(part, memory)
    spoken = speech.speaking(evidence, part, named, memory)
    if any(s.sung for s in spoken):  # the words say who sings
        music_told = [replace(m, vocals=None) if isinstance(m, Playing) else m for m in music_told]
    silent = setting.quiet(part, sounds.noise_bed(part, memory))
    if part.last and first and len(named) == 1 and not formed and not music_told and not spoken:
        named = [replace(named[0], sole=True)]
    elements = overview.elements([*named, *formed, *music_told, *spoken], memory)
    if first:
        memory.quiet = silent
        told.append(overview.opening(evidence, part, memory, elements, silent, setting.quiet_ids(part)))  # type: ignore[arg-type]
    elif silent != memory.quiet and memory.quiet:
        memory.quiet = ""
    told += [*happenings.ordered([*named, *formed], [*music_told, *spoken]), *music_told, *spoken]
    told += manner.manners(part, memory)
    told += setting.cautions(part, memory)
    if (reaction := manner.reacting(spoken, named)) and memory.first("reacting"):
        told.append(reaction)
    if part.last and first and (read := manner.reading(evidence, part, named, memory)):
        told.append(read)
    told += setting.setting(part, memory)
    told += setting.recording(part, memory, evidence.facts)
    if part.last and first and not _summed(evidence, memory) and memory.first("absence"):
        missing = meaning.absences(evidence, memory, silent)
        told += [missing] if missing else []
    return tuple(setting.one_course(told))


def _summed(evidence: Evidence, memory: Memory) -> bool:
    """Whether the clip is summed up at its end."""
    return len(memory.elements) > 1 or evidence.facts.seconds >= SUMMED_S


def closing(evidence: Evidence, memory: Memory) -> tuple[tuple[Message, ...], Message | None]:
    """Closing messages (absence, place, the account in one) and the message of the summary."""
    told: list[Message] = []
    silent = memory.quiet
    if memory.first("absence") and (missing := meaning.absences(evidence, memory, silent)):
        told.append(missing)
    if place := meaning.place(evidence, memory):
        told.append(place)
    if _summed(evidence, memory) and (end := overview.closing(evidence, memory, silent, summary=False)):  # type: ignore[arg-type]
        told.append(end)
    return tuple(told), overview.closing(evidence, memory, silent, summary=True)  # type: ignore[arg-type]
