"""Words, their language and, for other languages, a rough English.

The recogniser runs only where voice activity was found. Each stretch of one language is encoded once; its language,
words, word times and English come from that one encoding. A second decoding is spent only on a text that missed its
gates narrowly, and on activity that the first left without words. Nothing is quoted that misses a gate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from earwitness.clip import RATE, Clip, Floats
from earwitness.scene.evidence.certainty.limits import limits
from earwitness.scene.evidence.evidence import overlap
from earwitness.scene.evidence.observation import Span, Utterance, Word
from earwitness.scene.evidence.part import covered
from earwitness.scene.listeners.listener import Activity, Context, Patches, Report
from earwitness.scene.listeners.speech_activity import Detector, between, groups
from earwitness.scene.listeners.speech_english import renderings
from earwitness.scene.listeners.speech_evidence import human, musical, spoken, sung, veiled
from earwitness.scene.listeners.speech_flags import flags, word_lists
from earwitness.scene.listeners.speech_gates import lone, looped, stock, units
from earwitness.scene.listeners.speech_heads import FRAMES, HOP, Head, features, spans, windows
from earwitness.scene.listeners.speech_model import LONGEST_S, Decoded, Encoded, Recogniser
from earwitness.scene.listeners.speech_text import Script, in_script, placed, sentences, sure
from earwitness.scene.listeners.voice_turns import Turns

EDGE_S = 0.25
"""Heard before and after the activity: soft first and last sounds."""
GROUP_GAP_S = 3.0
"""Pauses longer than this are not encoded."""
APART_S = 0.45
"""Pause after which another language is looked for."""
TELLING_S = 1.5
"""A stretch shorter than this does not tell its language."""
MISSED_S = 1.2
"""Activity of this length without a word is heard again by itself."""
TOGETHER_S = 0.8
"""An utterance is spoken over where two voices are heard at once for so long of it."""
PAIR = 2
"""Windows in a row of which the mean decides."""
ENGLISH_BEAM = 5
UNTOLD = 0.49
"""Highest probability of a language that the words themselves do not show: too little for it to be told."""
WORDLESS = 0.49
"""Highest score of singing of which no words were decoded: it is possible, not likely."""
DROWNED = "words in music are too unsure"
UNKNOWN = "und"
"""ISO 639's code of an undetermined language: somebody speaks, the words could not be made out."""


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """What is heard in one part: samples of `activity.span`, where somebody speaks, and the tagger's patches.

    drowned: where words in music were too unsure to be told.
    """

    samples: Floats
    activity: Activity
    patches: Patches | None
    drowned: list[Span] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Passage:
    """Stretches of one language, encoded."""

    stretches: tuple[Span, ...]
    start: float
    encoded: Encoded
    language: str
    probability: float

    @property
    def span(self) -> Span:
        """From the first stretch to the last."""
        return self.stretches[0][0], self.stretches[-1][1]


class SpeechListener:
    """Whisper from a CTranslate2 folder behind Silero's activity detector. Reports Utterances in order of time.

    chinese: the script that Chinese is written in. english: whether a rough English of other languages is tried.
    profanity: folder of the word lists; without it strong language is not flagged. turns: parts sentences at changes of
    speaker; without it a sentence is one speaker's.
    Leaves `Activity` in `shared["activity"]`, and spans of words that music drowned in `shared["drowned"]`.
    """

    name = "speech"

    def __init__(
        self,
        whisper: Path,
        threads: int = 2,
        compute_type: str = "int8",
        chinese: Script = "simplified",
        english: bool = True,
        profanity: Path | None = None,
        turns: Turns | None = None,
    ) -> None:
        self._detector = Detector()
        self._model = Recogniser(whisper, threads, compute_type)
        self._lists = word_lists(profanity)
        self._chinese = chinese
        self._english = english
        self._turns = turns
        self._at_once = Head.load("speech_together")
        self._singing = Head.load("speech_sung")
        table = limits(self.name)
        self._gates: dict[str, float] = table["gates"]
        self._english_gates: dict[str, float] = table["english"]

    def listen(self, clip: Clip, span: Span, context: Context) -> Report:
        """The words spoken in `span`."""
        samples = clip.samples(*span)
        activity = self._detector.hear(samples, span)
        context.shared["activity"] = activity
        found = context.shared.get("patches")
        patches = found if isinstance(found, Patches) else None
        room = Room(samples, activity, patches)
        heard: list[Utterance] = []
        for stretches in groups(activity.stretches, LONGEST_S - 2 * EDGE_S, GROUP_GAP_S):
            if human(patches, (stretches[0][0], stretches[-1][1])):
                heard.extend(self._group(room, stretches))
        context.shared["drowned"] = tuple(room.drowned)
        return Report((*heard, *flags(heard, self._lists, self.name)), covered(self.name, span, room.drowned, DROWNED))

    def _group(self, room: Room, stretches: tuple[Span, ...]) -> Iterator[Utterance]:
        for passage in self._passages(room, stretches):
            said = list(self._utterances(passage, room))
            yield from said
            worded = len(passage.stretches) > 1 and any(u.words for u in said)
            for missed in silent(passage.stretches, said) if worded else ():
                again = self._passage(room, (missed,))
                yield from self._utterances(again, room)

    def _passages(self, room: Room, stretches: tuple[Span, ...]) -> list[Passage]:
        """The whole group, or a passage for each run of stretches of one language."""
        whole = self._passage(room, stretches)
        parts = groups(stretches, LONGEST_S, APART_S)
        if len(parts) < 2:
            return [whole]
        known = [self._language_of(whole, part) for part in parts]
        clear = whole.probability >= self._gates["named"]
        if all(language in (None, whole.language) for language in known) and (clear or all(known)):
            return [whole]
        told: list[tuple[tuple[Span, ...], str]] = []
        for part, sliced in zip(parts, known, strict=True):
            language = sliced or self._heard_alone(room, part) or (told[-1][1] if told else whole.language)
            if told and told[-1][1] == language:
                told[-1] = (told[-1][0] + part, language)
            else:
                told.append((part, language))
        if len(told) == 1:
            return [replace(whole, language=told[0][1])]
        return [self._passage(room, part) for part, _ in told]

    def _heard_alone(self, room: Room, part: tuple[Span, ...]) -> str | None:
        """The language of a part encoded by itself, where it is clear: a slice of a mixture often is not."""
        passage = self._passage(room, part)
        return passage.language if passage.probability >= self._gates["language"] else None

    def _language_of(self, whole: Passage, part: tuple[Span, ...]) -> str | None:
        """The language of `part` by the slice of the whole encoding, where it is long and clear enough."""
        start, end = part[0][0] - whole.start, part[-1][1] - whole.start
        if end - start < TELLING_S:
            return None
        language, probability = self._model.language(whole.encoded, start, end)
        return language if round(probability, 3) >= self._gates["named"] else None

    def _passage(self, room: Room, stretches: tuple[Span, ...]) -> Passage:
        offset = room.activity.span[0]
        start = max(stretches[0][0] - EDGE_S, offset)
        end = min(stretches[-1][1] + EDGE_S, room.activity.span[1])
        piece = room.samples[round((start - offset) * RATE) : round((end - offset) * RATE)]
        encoded = self._model.encode(np.ascontiguousarray(piece))
        language, probability = self._model.language(encoded)
        return Passage(stretches, start, encoded, language, round(probability, 3))

    def _utterances(self, passage: Passage, room: Room, parted: bool = False) -> Iterator[Utterance]:
        """parted: the passage is one speaker's by itself already."""
        patches = room.patches
        witness = spoken(patches, passage.span)
        hidden = passage.encoded.array[0][: round(passage.encoded.seconds * FRAMES)]
        starts = windows(len(hidden))
        heard = features(hidden, starts)
        crossed = self._crossed(passage, patches, starts, heard)
        singing = self._singing.scores(heard) if musical(patches, passage.span) else np.zeros(0, np.float32)
        decoded = self._decoded(passage, witness >= self._gates["witness"])
        if decoded is None:
            yield from self._without_words(passage, room, witness, crossed, singing, parted)
            return
        aligned = self._model.align(passage.encoded, decoded, passage.language)
        words = placed(aligned, passage.start, passage.stretches)
        groups_of_words = [g for g in self._turns_of(words, room) if any(c.isalnum() for w in g for c in w.text)]
        if mean(w.probability for g in groups_of_words for w in g) < self._gates["words"]:
            yield from self._without_words(passage, room, witness, crossed, singing, parted)
            return
        drowned = [self._drowned(g, patches) for g in groups_of_words]
        told = [g for g, lost in zip(groups_of_words, drowned, strict=True) if not lost]
        english: list[str | None] = [None] * len(groups_of_words)
        if told:  # no decoding more for words that nobody will read
            english = self._renderings(passage, decoded, [(g[0].start, g[-1].end) for g in groups_of_words])
        again: str | None = None
        if any(self._in_doubt(g) for g in told):
            again = self._model.decode(passage.encoded, passage.language, beam=1 if decoded.beam > 1 else 5).text
        for group, rendering, lost in zip(groups_of_words, english, drowned, strict=True):
            sings = self._sings(passage, group, patches, singing)
            if lost:
                span = (group[0].start, group[-1].end)
                room.drowned.append(span)
                if sings:
                    yield self._wordless(passage, span, mean(w.probability for w in group), sung=True)
                continue
            said = self._utterance(passage, group, rendering, again)
            at_once = any(overlap(said.span, c) >= TOGETHER_S for c in crossed)
            yield replace(said, together=at_once, sung=sings)

    def _without_words(
        self,
        passage: Passage,
        room: Room,
        witness: float,
        crossed: Sequence[Span],
        singing: Floats,
        parted: bool,
    ) -> Iterator[Utterance]:
        """A passage whose words do not pass: speaker by speaker, since two languages in one passage are none; or as
        singing; or else as it is."""
        seconds = passage.span[1] - passage.span[0]
        sings = len(singing) > 0 and mean(singing.tolist()) >= self._gates["singing"]
        if sings and seconds >= TELLING_S and passage.probability >= self._gates["language"]:
            room.drowned.append(passage.span)
            yield self._wordless(passage, passage.span, passage.probability * WORDLESS, sung=True)
            return
        cuts: list[float] = []
        if self._turns is not None and not parted and witness >= self._gates["witness"]:
            cuts = self._turns.cuts(passage.span, room.samples, room.activity.span[0])
        if not cuts:
            yield from self._unclear(passage, room.patches, witness, crossed)
            return
        for part in between(passage.stretches, cuts):
            yield from self._utterances(self._passage(room, part), room, parted=True)

    def _turns_of(self, words: Sequence[Word], room: Room) -> Iterator[list[Word]]:
        """What is said in one go, by one speaker. In music no voice is told from another: its prints hold the music."""
        for said in sentences(words):
            if self._turns is None or musical(room.patches, (said[0].start, said[-1].end)):
                yield said
            else:
                yield from self._turns.parted(said, room.samples, room.activity.span[0])

    def _crossed(self, passage: Passage, patches: Patches | None, starts: Sequence[int], heard: Floats) -> list[Span]:
        """Where two voices speak at once, in seconds of the clip; not looked for where somebody sings."""
        if sung(patches, passage.span):
            return []
        found = spans(self._at_once.scores(heard), starts, self._gates["together"], PAIR)
        return [(a + passage.start, b + passage.start) for a, b in found]

    def _sings(self, passage: Passage, words: Sequence[Word], patches: Patches | None, singing: Floats) -> bool:
        """Whether words are sung: by the tagger, or in music by the head, whose scores of the passage's windows are
        `singing`."""
        span = (words[0].start, words[-1].end)
        if sung(patches, span):
            return True
        middles = passage.start + (np.arange(len(singing)) * HOP + FRAMES / 2) / FRAMES
        inside = singing[(middles >= span[0]) & (middles <= span[1])]
        return bool(len(inside)) and musical(patches, span) and mean(inside.tolist()) >= self._gates["singing"]

    def _drowned(self, words: Sequence[Word], patches: Patches | None) -> bool:
        """Whether words in music that the tagger takes for no voice are too unsure: half of a song's are misheard."""
        span = (words[0].start, words[-1].end)
        return mean(w.probability for w in words) < self._gates["in_music"] and veiled(patches, span)

    def _in_doubt(self, words: Sequence[Word]) -> bool:
        return mean(w.probability for w in words) < self._gates["doubted"]

    def _decoded(self, passage: Passage, witnessed: bool) -> Decoded | None:
        """The first decoding that passes: one beam, then five where one missed narrowly."""
        if passage.probability < self._gates["language_witnessed" if witnessed else "language"]:
            return None
        for beam in (1, 5):
            decoded = self._model.decode(passage.encoded, passage.language, beam=beam)
            if self._passes(decoded, witnessed):
                return decoded
            if not decoded.text or decoded.logprob < self._gates["retry_logprob"]:
                return None
        return None

    def _passes(self, decoded: Decoded, witnessed: bool) -> bool:
        gates = self._gates
        return (
            round(decoded.logprob, 3) > gates["logprob_witnessed" if witnessed else "logprob"]
            and decoded.compression < gates["compression"]
            and round(decoded.no_speech, 3) < gates["no_speech"]
            and not stock(decoded.text)
            and not lone(decoded.text)
            and not looped(units(decoded.text))
        )

    def _renderings(self, passage: Passage, decoded: Decoded, spans: Sequence[Span]) -> list[str | None]:
        gates = self._english_gates
        wanted = (
            self._english
            and passage.language != "en"
            and passage.probability >= gates["language"]
            and round(decoded.logprob, 3) > gates["source_logprob"]
        )
        if not wanted or not spans:
            return [None] * len(spans)
        english = self._model.decode(
            passage.encoded, passage.language, "translate", beam=ENGLISH_BEAM, most=2 * len(decoded.tokens) + 10
        )
        told = round(english.logprob, 3) > gates["logprob"] and english.compression < gates["compression"]
        if not told:
            return [None] * len(spans)
        pieces = [(a + passage.start, b + passage.start, text) for a, b, text in self._model.segments(english)]
        return renderings(pieces, spans, decoded.text)

    def _utterance(
        self,
        passage: Passage,
        words: Sequence[Word],
        english: str | None,
        again: str | None = None,
    ) -> Utterance:
        if self._in_doubt(words):
            text, cut = sure(words, self._gates["word_doubted"], again)
        else:
            text, cut = sure(words, self._gates["word"])
        lettered = any(c.isalpha() for c in text)  # digits alone are written alike in all languages
        span = (words[0].start, words[-1].end)
        return Utterance(
            span=span,
            score=mean(w.probability for w in words),
            listener=self.name,
            text=in_script(text, passage.language, self._chinese),
            language=passage.language,
            language_score=passage.probability if lettered else min(passage.probability, UNTOLD),
            translation=english if text and not cut else None,
            words=tuple(spelt(words, passage.language, self._chinese)),
            doubtful=cut,
        )

    def _unclear(
        self, passage: Passage, patches: Patches | None, score: float, crossed: Sequence[Span]
    ) -> Iterator[Utterance]:
        """Speech without words, where the tagger agrees that somebody speaks.

        Speech played backwards, and many voices at once, get a language as surely as real speech: none is told.
        """
        if score >= self._gates["witness"]:
            told = self._wordless(passage, passage.span, score, sung=sung(patches, passage.span))
            yield replace(told, together=bool(crossed))

    def _wordless(self, passage: Passage, span: Span, score: float, sung: bool) -> Utterance:
        return Utterance(
            span=span,
            score=round(score, 3),
            listener=self.name,
            text="",
            language=UNKNOWN,
            language_score=passage.probability,
            doubtful=True,
            sung=sung,
        )


def mean(values: Iterable[float]) -> float:
    """The mean, rounded; 0 of nothing."""
    listed = list(values)
    return round(sum(listed) / len(listed), 3) if listed else 0.0


def silent(stretches: Sequence[Span], said: Sequence[Utterance]) -> list[Span]:
    """Stretches long enough to hold words that no word of `said` touches."""
    words: list[Any] = [w for u in said for w in u.words]
    return [
        s for s in stretches if s[1] - s[0] >= MISSED_S and not any(overlap(s, (w.start, w.end)) > 0 for w in words)
    ]


def spelt(words: Sequence[Word], language: str, script: Script) -> Iterator[Word]:
    """Words without blanks, Chinese in one script."""
    for w in words:
        yield Word(in_script(w.text.strip(), language, script), w.start, w.end, w.probability)
