"""Music messages in words."""

from __future__ import annotations

from earwitness.scene.writer.lexicon import lexicon
from earwitness.scene.writer.messages import Certainty, Changing, Musical, Playing
from earwitness.scene.writer.microplan import numbers, words
from earwitness.scene.writer.microplan.context import Wording
from earwitness.scene.writer.phrase import Clause, Fixed, Items, Noun, Phrase

VOCALS = {"voice": "a voice", "male": "a male voice", "female": "a female voice", "choir": "a choir"}
DYNAMICS = {
    "building": "builds up over time",
    "fading": "fades away towards the end",
}


def instrument(name: str) -> Noun:
    """An instrument as a noun, without regard to how sure it is."""
    table = lexicon().instruments.get(name)
    if table is not None:
        if table.get("many"):
            return Noun(str(table["noun"]), "many")
        return Noun(str(table["noun"]), "mass" if table.get("mass") else "one")
    e = words.entry(name)
    if e.by and e.clausal:
        return Noun(e.by, article=e.article)
    return words.single(e)


def ensemble(instruments: tuple[tuple[str, Certainty], ...], solo: bool) -> Items | None:
    """ "a solo piano", "a piano, drums and what sounds like a double bass". None without instruments."""
    told: list[Noun | Fixed] = []
    for name, level in instruments:
        noun = instrument(name)
        if solo and len(instruments) == 1 and noun.number == "one":
            noun = Noun(f"solo {noun.head}")
        told.append(
            noun if level == "sure" else Noun(f"what sounds like {words.spelled(noun)}", noun.number, bare=True)
        )
    return Items(tuple(told)) if told else None


def playing(m: Playing, w: Wording) -> list[Clause]:
    """That music plays, and on what."""
    span = m.span or (0.0, 0.0)
    if m.closes:
        return [w.clause("playing.closes", m, {"when": numbers.at(span[1], False, w.clip_s)}, "music")]
    place = "" if m.throughout else numbers.since(span[0], False, w.clip_s) if m.timed or not m.throughout else ""
    slots: dict[str, Phrase | str | None] = {
        "when": place,
        "how": w.pick(m, "how", ("throughout", "from beginning to end")) if m.throughout and not m.running else "",
        "tail": " in the background" if m.background else "",
    }
    if m.again:
        return [w.clause("playing.again", m, {**slots, "how": ""}, "music")]
    if m.certainty != "sure":
        played = ensemble(m.instruments, m.solo) if m.certainty == "likely" else None
        on = f", played on {words.listed(played)}" if played else ""
        return [w.clause(f"playing.{m.certainty}", m, {**slots, "played": on}, "music")]
    instruments = ensemble(m.instruments, m.solo)
    key = "playing.drums" if m.drums_only else "playing.named" if instruments else "playing.unnamed"
    clauses = [w.clause(key, m, {**slots, "instruments": instruments}, "music")]
    if m.vocals in VOCALS:
        level = "sure" if m.vocals_certainty == "sure" else "likely"
        clauses.append(w.clause(f"playing.vocals_{level}", m, {"subject": VOCALS[m.vocals]}, "vocals"))
    return clauses


def _styles(tags: tuple[tuple[str, Certainty], ...], table: dict[str, str]) -> list[str]:
    return list(dict.fromkeys(table.get(name, name.replace("_", " ")) for name, _ in tags))


def musical(m: Musical, w: Wording) -> list[Clause]:
    """Key and tempo in one clause, style and mood in another, what changes in a third."""
    clauses: list[Clause] = []
    facts = ""
    beats = f"about {round(m.tempo_bpm)} beats per minute" if m.tempo_bpm else ""
    pace = _pace(m)
    if m.key:
        facts = f"is in {_key(m.key)}" + (f", at {pace and f'{pace} '}{beats}" if beats else "")
    elif beats:
        moves = (f"moves at {pace}", f"has {pace}") if pace else ("moves at", "keeps a tempo of")
        facts = f"{w.pick(m, 'tempo', moves)} {beats}"
    if facts:
        clauses.append(w.clause("musical.measures", m, {"facts": facts}, "music-is"))
    lex = lexicon()
    styles, moods = _styles(m.genres, dict(lex.genres)), _styles(m.moods, dict(lex.moods))
    moods = [mood for mood in moods if f"a {mood} tempo of" != _pace(m)]
    hedge = all(level == "sure" for _, level in (*m.genres, *m.moods))
    if styles:
        clauses.append(
            w.clause(
                f"musical.style_{'sure' if hedge else 'likely'}", m, {"style": " and ".join(styles)}, "music-style"
            )
        )
    if moods:
        clauses.append(w.clause("musical.mood", m, {"mood": " and ".join(moods)}, "music-mood"))
    if m.dynamics:
        clauses.append(w.clause("musical.dynamics", m, {"facts": DYNAMICS[m.dynamics]}, "music-moves"))
    if m.loop_s:
        clauses.append(w.clause("musical.loop", m, {"facts": numbers.period(m.loop_s)}, "music-loop"))
    if m.instrumental:
        clauses.append(w.clause("musical.instrumental", m, {}, "music-instrumental"))
    return clauses


SLOW_BPM, FAST_BPM = 72.0, 126.0
"""Beats a minute up to which a tempo is told as slow, and from which on as fast."""


def _pace(m: Musical) -> str:
    """ "a fast tempo of", where the tempo is not in doubt by an octave."""
    if m.tempo_bpm is None or m.octave or SLOW_BPM < m.tempo_bpm < FAST_BPM:
        return ""
    return "a slow tempo of" if m.tempo_bpm <= SLOW_BPM else "a fast tempo of"


def _key(key: str) -> str:
    """ "B flat major" of "Bb major"."""
    tonic, _, mode = key.partition(" ")
    tonic = tonic[:1].upper() + tonic[1:].replace("b", " flat").replace("♭", " flat").replace("#", " sharp").replace(
        "♯", " sharp"
    )
    return f"{tonic} {mode}"


def changing(m: Changing, w: Wording) -> list[Clause]:
    """A change of structure."""
    return [w.clause(f"changing.{m.of}", m, {"when": numbers.at(m.start, False, w.clip_s)}, f"change:{m.start}")]
