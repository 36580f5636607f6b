"""Sound messages in words: events, tones, sounds told by their form."""

from __future__ import annotations

from dataclasses import replace

from earwitness.scene.ontology.concepts import ontology
from earwitness.scene.writer.lexicon import Entry, lexicon
from earwitness.scene.writer.lexicon.grammar import ing, number, plural
from earwitness.scene.writer.messages import Certainty, Formed, Happening, Toned
from earwitness.scene.writer.microplan import numbers, words
from earwitness.scene.writer.microplan.context import Wording
from earwitness.scene.writer.phrase import Clause, Fixed, Noun, Phrase, Verb

REGIONS = {"low": "low", "middle": "", "high": "high-pitched"}
CONTOURS = {
    "steady": "steady",
    "swelling": "swelling",
    "decaying": "decaying",
    "rising": "rising",
    "falling": "falling",
}
TEXTURES = {
    "hit": "short, sharp hit",
    "tone": "tone",
    "chord": "chord",
    "noise": "burst of noise",
    "pulses": "pulse",
    "sweep": "sweeping sound",
    "whoosh": "whoosh",
    "boom": "deep boom",
}
CLICK = "short, sharp click"
"""A high-pitched hit."""

STEADY_NOISES = {"low": "low, rumbling noise", "middle": "rushing noise", "high": "hissing noise"}
PULSES = {"low": "short, low thump", "middle": "short, ticking pulse", "high": "short, high-pitched tick"}
"""Pulses by region: what a row of them is called when nothing names its source."""


ENDINGS = {"boom": "a deep boom", "hit": "a hit"}
"""What a sweep or a swelling noise may end in."""

MOVING = ("approaching", "receding", "swelling", "fading")
"""Forms that are told by a second verb."""

RHYTHM = 3
"""Occurrences from which on a rhythm is told."""

MANY = ("several", "regular", "irregular", "intermittent")
"""Forms of more than one occurrence."""

STAYS_S = 0.75
"""What ends no earlier than this before the clip does lasts until its end."""

SOLE_S = 1.0
"""The start of the only sound is told from here on."""


def rhythm(m: Happening, w: Wording) -> str:
    """How the events lie in time: counts, periods, approach, fading."""
    period = numbers.period(m.period_s) if m.period_s is not None else ""
    count = numbers.counted(m.count) if m.count is not None and m.count > 1 else ""
    keys = {
        "several": "several" if count else "several_uncounted",
        "regular": "regular_counted" if period and count else "regular" if period else "regular_unmeasured",
        "irregular": "irregular_counted" if count else "irregular",
    }
    if m.form == "once":
        key = "throughout" if m.throughout and not m.times else ""
    elif m.form == "continuous":
        key = "throughout" if m.throughout else ""
    elif m.form == "several" and len(m.times) == m.count and not untimed(m):
        key = ""
    else:
        key = keys.get(m.form, m.form)
        key += "_on" if m.form in MOVING and m.certainty != "sure" else ""
    if not key:
        return ""
    texts = tuple(f.text for f in lexicon().frame(f"rhythm.{key}"))
    return w.pick(m, "rhythm", texts).format(period=period, count=count)


def untimed(m: Happening) -> bool:
    """Whether no time is told: of the only sound of a clip that begins at once."""
    return m.sole and m.start < SOLE_S


def when(m: Happening, w: Wording) -> str:
    """Where in the clip, if that helps: not for what lasts throughout."""
    if m.throughout and m.start < numbers.START_S * 2:
        return ""
    if untimed(m):
        return ""
    if len(m.times) > 1:
        return numbers.at_each(m.times, m.exact, w.clip_s)
    if m.lasting and m.span and not m.running:
        end = numbers.moment(m.span[1], m.exact, w.clip_s)
        stays = m.span[1] >= w.clip_s - STAYS_S
        to_the_end = w.pick(m, "end", (" until the end", " to the end")) if m.start >= numbers.START_S else ""
        return numbers.since(m.start, m.exact, w.clip_s) + (to_the_end if stays else f" until about {end}")
    going = ("continuous", "regular", "irregular", "intermittent", "interrupted", "approaching", "swelling")
    if m.form in going or m.running:
        return numbers.since(m.start, m.exact, w.clip_s)
    return numbers.at(m.start, m.exact, w.clip_s)


def tail(m: Happening) -> str:
    """Where it comes from and how it stands to the rest."""
    text = " in the background" if m.background else ""
    text += f" on the {m.side}" if m.side else ""
    return text + "".join(f" over the {_known(c)}" for c in m.over)


def _known(concept: str) -> str:
    return concept if concept in ("music", "speech") else words.known(words.entry(concept)).head


def order(m: Happening | Formed, w: Wording) -> str:
    """A pattern for the time of what follows something else: "then, {when}"."""
    if not m.order:
        return ""
    return w.pick(m, "order", tuple(f.text for f in lexicon().frame(f"order.{m.order}")))


def noun_of(m: Happening, e: Entry) -> Noun:
    """The sound as a noun: one, several, or going on."""
    if m.form == "once":
        return words.single(e)
    if m.form in ("continuous", "interrupted", "approaching", "receding", "swelling", "fading"):
        return words.going_on(e)
    return words.several(e) if e.noun else words.going_on(e)


def happening(m: Happening, w: Wording) -> Clause:
    """One clause for a sound event or a series."""
    e = words.entry(m.asserted)
    if m.closes:
        end = m.span[1] if m.span else 0.0
        ends: dict[str, Phrase | str | None] = {"end": Verb("end"), "stop": Verb("stop")}
        place = numbers.at(end, False, w.clip_s)
        return w.clause("happening.closes", m, {"subject": words.known(e), "when": place, **ends})
    slots: dict[str, Phrase | str | None] = {
        "how": rhythm(m, w), "when": when(m, w), "tail": tail(m), "order": order(m, w),
    }  # fmt: skip
    stem = f"sound:{m.asserted}"
    if m.certainty == "sure" and m.again:
        return w.clause("happening.again", m, {**slots, "subject": words.known(e), "return": Verb("return")}, stem)
    if m.certainty == "possible":
        noun = words.in_scene(e)
        slots |= {"subject": noun, "other": or_another(m.asserted, noun.head).removeprefix(noun.head)}
        return w.clause("happening.possible", m, slots, stem)
    if m.certainty != "sure":
        noun = words.in_scene(e) if m.form == "once" or (e.clausal and e.by) else noun_of(m, e)
        return w.clause(f"happening.{m.certainty}", m, {**slots, "subject": widened(noun, m)}, stem)
    if e.clausal:
        verb: dict[str, Phrase | str | None] = {"verb": Verb(e.verb), "ing": Fixed(ing(e.verb))}
        key = "happening.moving" if m.form in MOVING else "happening.clausal"
        return w.clause(key, m, {**slots, "subject": words.maker(e), **verb}, stem)
    return w.clause("happening.nominal", m, {**slots, "subject": noun_of(m, e)}, stem)


def widened(noun: Noun, m: Happening) -> Noun:
    """A doubtful sound with a guess at what it is more narrowly, or a doubtful animal with what is hardly in doubt:
    "a dog barking or another animal". On recordings of other sources, where the likely name was an animal's, an
    animal it was in all of 111 clips."""
    if m.guess:
        e = words.entry(m.guess)
        guess = words.several(e) if m.form in MANY and not e.clausal else words.in_scene(e)
        return replace(noun, head=f"{noun.head}, perhaps {words.spelled(guess)},")
    return replace(noun, head=or_another(m.asserted, noun.head))


def or_another(concept: str, told: str) -> str:
    """A doubtful animal with "or another animal"."""
    if concept == "animal" or not ontology().within(concept, "animal"):
        return told
    return f"{told}, or another animal," if " or " in told else f"{told} or another animal"


def shape_noun(texture: str, region: str, contour: str, count: int) -> Noun:
    """ "a short, sharp low hit", "a steady high-pitched tone"."""
    core = TEXTURES[texture]
    region_word = REGIONS[region]
    if texture == "pulses":
        head = PULSES[region]
    elif texture == "noise" and contour == "steady" and count == 1:
        head = STEADY_NOISES[region]
    elif texture == "boom":
        head = core
    elif texture == "whoosh":
        head = f"{region_word} {core}"
    elif texture == "hit" and region == "high":
        head = CLICK
    elif texture == "hit":
        head = f"{core.replace('hit', '')}{region_word + ' ' if region_word else ''}hit"
    else:
        contour_word = "" if texture in ("sweep", "noise") and contour == "steady" else CONTOURS[contour]
        head = " ".join(x for x in (contour_word, region_word, core) if x)
    if count > 1:
        first, of, rest = " ".join(head.split()).partition(" of ")
        return Noun(f"{number(count) if count <= 12 else str(count)} {plural(first)}{of}{rest}", "many")
    return Noun(" ".join(head.split()))


def doubted(noun: Noun, level: Certainty) -> Noun:
    """A noun with its hedge."""
    hedge = {"sure": "", "likely": "what sounds like ", "possible": "what may be "}[level]
    return Noun(f"{hedge}{words.spelled(noun)}", noun.number, bare=True) if hedge else noun


def formed(m: Formed, w: Wording) -> Clause:
    """A sound told by its form."""
    subject = shape_noun(m.texture, m.region, m.contour, m.count)
    if m.frequency_hz and m.texture == "tone":
        each = f" of about {numbers.hertz(m.frequency_hz)}" + (" each" if m.count > 1 else "")
        subject = replace(subject, head=f"{subject.head}{each}")
    if m.ending and m.span is not None:
        seconds = numbers.length(m.span[1] - m.span[0])
        subject = replace(subject, head=f"{subject.head} of {seconds} that ends in {ENDINGS[m.ending]}")
    if m.guess:
        guess = words.spelled(words.supposed(m.guess, m.count > 1))
        subject = Noun(f"{subject.head}, perhaps {or_another(m.guess, guess)},", subject.number)
    place = "" if m.throughout or m.start < SOLE_S else numbers.at(m.start, True, w.clip_s)
    how = ("over the whole clip" if m.count > 1 else "throughout") if m.throughout and w.clip_s > 1 else ""
    if m.period_s is not None and m.count >= RHYTHM:
        how = f"in a steady rhythm, {numbers.period(m.period_s)}"
    subject = doubted(subject, m.certainty)
    slots: dict[str, Phrase | str | None] = {"subject": subject, "when": place, "how": how, "order": order(m, w)}
    return w.clause("formed.first", m, slots, f"shape:{m.id}")


def tone_noun(form: str, frequencies: tuple[float, ...], digits: str) -> Noun:
    """The tone by what it is."""
    hz = [numbers.hertz(f) for f in frequencies]
    if form == "pure":
        return Noun(f"pure, steady tone of about {hz[0]}" if hz else "pure, steady tone")
    if form == "sweep" and len(hz) == 2:
        return Noun(f"tone sweeping from about {hz[0]} to {hz[1]}")
    if form == "dtmf":
        keyed = f" for the keys {' '.join(digits)}" if digits else ""
        return Noun(f"telephone keypad tones{keyed}", "many")
    names = {
        "dial": "telephone dial tone",
        "busy": "telephone busy tone",
        "ringback": "telephone ringing tone",
        "sweep": "sweeping tone",
    }
    if form == "beeps":
        return Noun(f"electronic beeps at about {hz[0]}" if hz else "electronic beeps", "many")
    return Noun(names[form])


def toned(m: Toned, w: Wording) -> Clause:
    """An artificial tone, or its end."""
    noun = tone_noun(m.form, m.frequencies_hz, m.digits)
    if m.closes:
        ends: dict[str, Phrase | str | None] = {"end": Verb("end"), "stop": Verb("stop")}
        known = Noun("tone" if noun.number == "one" else "tones", noun.number, definite=True)
        place = numbers.at(m.span[1] if m.span else 0.0, False, w.clip_s)
        return w.clause("toned.closes", m, {"subject": known, "when": place, **ends}, f"tone:{m.form}")
    how = []
    if m.count is not None and m.count > 1 and m.form == "beeps":
        how.append(numbers.counted(m.count))
    if m.period_s is not None and m.form in ("beeps", "busy", "ringback"):
        how.append(("at regular intervals, " if not how else "") + numbers.period(m.period_s))
    elif m.throughout and w.clip_s > 1:
        how.append("throughout")
    place = "" if m.throughout or m.start < numbers.START_S else numbers.since(m.start, False, w.clip_s)
    return w.clause(
        "toned.first",
        m,
        {
            "subject": doubted(noun, m.certainty),
            "verb": Verb("sound"),
            "how": ", ".join(how),
            "when": place,
        },
        f"tone:{m.form}",
    )
