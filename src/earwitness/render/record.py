"""A caption as a JSON object: the reply's extension, a line of `caption --json` and a row of bulk are one thing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from earwitness.caption import Caption, Json, Note, Sentence
from earwitness.errors import EarwitnessError


@dataclass(frozen=True, slots=True)
class Wanted:
    """The switches of the extension: what the caller asked to see beside the text."""

    evidence: bool = False
    summary: bool = False
    timeline: bool = False


EVERYTHING = Wanted(evidence=True, summary=True, timeline=True)


def seconds(value: float) -> float:
    """Seconds as they are written: to a hundredth."""
    return round(value, 2)


def note(n: Note, wanted: Wanted = EVERYTHING) -> dict[str, Json]:
    """One note; `score`, `certainty` and `attributes` are left out where it has none, times without `timeline`."""
    out: dict[str, Json] = {"id": n.id, "kind": n.kind, "label": n.label}
    if wanted.timeline:
        out |= {"start": seconds(n.start), "end": seconds(n.end)}
    if n.score is not None:
        out["score"] = round(n.score, 3)
    if n.certainty is not None:
        out["certainty"] = n.certainty
    if n.attributes:
        out["attributes"] = dict(n.attributes)
    return out


def sentence(s: Sentence, wanted: Wanted = EVERYTHING) -> dict[str, Json]:
    """One sentence with the ids it rests on; its seconds with `timeline`, where it speaks of any."""
    out: dict[str, Json] = {"text": s.text, "because": list(s.because)}
    if wanted.timeline and s.span is not None:
        out |= {"start": seconds(s.span[0]), "end": seconds(s.span[1])}
    return out


def increment(notes: Iterable[Note], finished: Sentence | None, wanted: Wanted = EVERYTHING) -> dict[str, Json] | None:
    """The extension of one streamed chunk: the notes new since the last and the sentence that its delta completes.

    None where there is nothing to say, or neither `evidence` nor `timeline` was asked for.
    """
    if not (wanted.evidence or wanted.timeline):
        return None
    out: dict[str, Json] = {}
    if listed := [note(n, wanted) for n in notes]:
        out["notes"] = list[Json](listed)
    if finished is not None:
        out["sentence"] = sentence(finished, wanted)
    return out or None


def closing(
    engine: str, summary: str | None, facts: Mapping[str, Json], wanted: Wanted = EVERYTHING
) -> dict[str, Json]:
    """The extension of the last streamed chunk; also the head of the whole object."""
    out: dict[str, Json] = {"engine": engine}
    if wanted.summary:
        out["summary"] = summary or ""
    if wanted.evidence:
        out["facts"] = dict(facts)
    return out


def extension(caption: Caption, wanted: Wanted = EVERYTHING) -> dict[str, Json]:
    """The object under the key `earwitness` of a whole reply."""
    out = closing(str(caption.engine), caption.summary, caption.facts, wanted)
    if wanted.evidence or wanted.timeline:
        out["sentences"] = [sentence(s, wanted) for s in caption.sentences]
        out["notes"] = [note(n, wanted) for n in caption.notes]
    return out


def record(
    source: str,
    model: str,
    result: Caption | EarwitnessError,
    wanted: Wanted = EVERYTHING,
) -> dict[str, Json]:
    """One finished or failed source: `caption` is null and `error` says why, or the extension stands beside the text.

    `source` is what the caller called it, without secrets; `model` the name the model is served under.
    """
    if isinstance(result, EarwitnessError):
        return {"source": source, "model": model, "caption": None, "error": error(result)}
    u = result.usage
    usage: dict[str, Json] = {
        "prompt_tokens": u.prompt_tokens,
        "completion_tokens": u.completion_tokens,
        "total_tokens": u.total_tokens,
        "prompt_tokens_details": {"audio_tokens": u.audio_tokens, "text_tokens": u.text_tokens},
    }
    head: dict[str, Json] = {
        "source": source,
        "model": model,
        "caption": result.text,
        "finish_reason": result.reason,
        "usage": usage,
        "error": None,
    }
    return head | extension(result, wanted)


def error(e: EarwitnessError) -> dict[str, Json]:
    """An error: its stable code, its sentence, and its facts where it has any."""
    out: dict[str, Json] = {"code": e.code, "message": e.message}
    if e.facts:
        out["facts"] = dict(e.facts)
    return out
