"""Evidence to messages: what could be said of a part, how sure it is and how much it matters."""

from __future__ import annotations

from dataclasses import replace

from earwitness.scene.evidence.evidence import Evidence
from earwitness.scene.evidence.part import Part
from earwitness.scene.writer.content import happenings, manner, meaning, music, overview, setting, sounds, speech
from earwitness.scene.writer.content.memory import Memory
from earwitness.scene.writer.messages import Message

SUMMED_S = 25.0
"""A clip of one thing is summed up from this length on; one of several things always."""

__all__ = ["Memory", "closing", "determine"]


def determine(evidence: Evidence, part: Part, memory: Memory, first: bool) -> tuple[Message, ...]:
    """Messages of one part; `evidence` holds this part and all before it. In order of time within a kind."""
    told: list[Message] = []
    named = happenings.happenings(part, memory, first)
    formed = happenings.shapes(part, named, memory)
    music_told = music.playing(part, memory)
    spoken = speech.speaking(evidence, part, named, memory)
    silent = setting.quiet(part, sounds.noise_bed(part, memory))
    if part.last and first and len(named) == 1 and not formed and not music_told and not spoken:
        named = [replace(named[0], sole=True)]
    elements = overview.elements([*named, *formed, *music_told, *spoken], memory)
    if first:
        memory.quiet = silent
        told.append(overview.opening(evidence, part, memory, elements, silent, setting.quiet_ids(part)))  # type: ignore[arg-type]
    elif silent != memory.quiet and memory.quiet:
        memory.quiet = ""
    told += [*named, *formed, *music_told, *spoken]
    told += manner.manners(part, memory)
    told += setting.cautions(part, memory)
    if (reaction := manner.reacting(spoken, named)) and memory.first("reacting"):
        told.append(reaction)
    if part.last and first and (read := manner.reading(evidence, part, named, memory)):
        told.append(read)
    told += setting.setting(part, memory)
    told += setting.recording(part, memory)
    if part.last and first and memory.first("absence") and (missing := meaning.absences(evidence, memory, silent)):
        told.append(missing)
    return tuple(told)


def closing(evidence: Evidence, memory: Memory) -> tuple[tuple[Message, ...], Message | None]:
    """Closing messages (absence, place, the account in one) and the message of the summary."""
    told: list[Message] = []
    silent = memory.quiet
    if memory.first("absence") and (missing := meaning.absences(evidence, memory, silent)):
        told.append(missing)
    if place := meaning.place(evidence, memory):
        told.append(place)
    worth = len(memory.elements) > 1 or evidence.facts.seconds >= SUMMED_S
    if worth and (end := overview.closing(evidence, memory, silent, summary=False)):  # type: ignore[arg-type]
        told.append(end)
    return tuple(told), overview.closing(evidence, memory, silent, summary=True)  # type: ignore[arg-type]
