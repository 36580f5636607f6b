"""The writer: parts of evidence in, sentences out, each with what it rests on. Nothing said is taken back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from earwitness.caption import Sentence
from earwitness.clip import SourceFacts
from earwitness.scene.evidence.evidence import Evidence
from earwitness.scene.evidence.part import Part
from earwitness.scene.writer import content, document
from earwitness.scene.writer.document.conflicts import consistent
from earwitness.scene.writer.messages import Message
from earwitness.scene.writer.microplan.aggregate import aggregate
from earwitness.scene.writer.microplan.choose import Chooser
from earwitness.scene.writer.microplan.context import Wording
from earwitness.scene.writer.microplan.lexicalise import lexicalise
from earwitness.scene.writer.realise import sentence


@dataclass(frozen=True, slots=True)
class Told:
    """A sentence and whether a paragraph starts with it."""

    sentence: Sentence
    starts_paragraph: bool


class Teller:
    """Tells one clip. `facts` are the source's; `digest` (the clip's) chooses among wordings."""

    def __init__(self, facts: SourceFacts, digest: str) -> None:
        self._evidence = Evidence(facts)
        self._memory = content.Memory()
        self._wording = Wording(facts.seconds, Chooser(digest))
        self._said: set[str] = set()
        self._parts = 0

    def tell(self, part: Part) -> Iterator[Told]:
        """The sentences that this part allows."""
        first = self._parts == 0
        self._parts += 1
        self._evidence = self._evidence.with_part(part)
        messages = consistent(content.determine(self._evidence, part, self._memory, first), self._said)
        outline = document.plan(messages, part.span[1] - part.span[0], first, part.last)
        yield from self._write(outline)

    def close(self) -> tuple[tuple[Told, ...], str]:
        """The closing sentences and the summary in one sentence; both rest on the evidence of all parts."""
        messages, last = content.closing(self._evidence, self._memory)
        outline = document.plan(consistent(messages, self._said), self._evidence.facts.seconds, self._parts <= 1, True)
        told = tuple(self._write(outline))
        if told and self._parts == 1 and outline[0].role == "place":
            told = (Told(told[0].sentence, False), *told[1:])
        return told, self._summary(last)

    def _write(self, outline: document.Outline) -> Iterator[Told]:
        for paragraph in outline:
            self._wording.discourse.new_paragraph()
            clauses = tuple(c for m in paragraph.messages for c in lexicalise(m, self._wording))
            for n, line in enumerate(aggregate(clauses)):
                yield Told(Sentence(sentence(line), line.because, line.span), n == 0)

    def _summary(self, message: Message | None) -> str:
        if message is None:
            return ""
        return " ".join(sentence(line) for line in aggregate(tuple(lexicalise(message, self._wording))))


def text(told: tuple[Told, ...]) -> str:
    """Sentences as running text: paragraphs with a blank line between them."""
    parts: list[str] = []
    for t in told:
        parts.append(("\n\n" if t.starts_paragraph else " ") + t.sentence.text if parts else t.sentence.text)
    return "".join(parts)
