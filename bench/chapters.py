"""The chapters of docs/benchmarks.md on captions: each makes its text from results, or None where there are none."""

from __future__ import annotations

from typing import Any

from bench.aims import later
from bench.kept import load
from bench.machine import table

Result = dict[str, Any]
KINDS = ("all", "intact", "speech", "sound", "music", "mix", "acoustic", "damaged", "degenerate")
ATTRIBUTES = {
    "n_speakers": "one or several speakers",
    "gender": "sex",
    "emotion": "expression",
    "stereo": "side",
    "reverberation": "room",
}
"""The judge's names in plain words."""
READ = ("mix_zh_over_hammer_0db.ogg", "seq_rooster_thunder_siren.ogg", "music_piano_ode_c.ogg", "deg_room_noise.flac")
"""Clips whose captions are printed where they were measured: chosen before they were read, one of a kind."""


def number(value: float | None, digits: int = 2) -> str:
    """A figure, or a dash."""
    return "–" if value is None else f"{value:.{digits}f}"


def wide(figures: dict[str, float], digits: int = 2) -> str:
    """Median with least and greatest, where there were several runs."""
    middle = number(figures["median"], digits)
    if figures["n"] < 2:
        return middle
    return f"{middle} ({number(figures['min'], digits)}–{number(figures['max'], digits)})"


def how(result: Result) -> str:
    """The command, the day, and how busy the machine was with other things."""
    machine = result["machine"]
    mode = "shortened run, so read it as rough; " if result["mode"] == "quick" else ""
    others = machine.get("others_cores")
    busy = f", other programs kept {others:.1f} of {machine['cores']} cores busy" if others is not None else ""
    call = f"`{result['command']}`, " if "command" in result else ""
    busy += ", the program was changed meanwhile" if result.get("program_changed") else ""
    return f"*({mode}{call}{machine['date']}, load {machine['load'][0]:.1f} at the end{busy})*"


def quality() -> str | None:
    """Facts, false claims, words, order and times by kind."""
    result = load("quality")
    if not result:
        return None
    ours, loop = result["summary"], result["loop"]
    rows = [
        {
            "kind": kind,
            "clips": ours[kind]["clips"],
            "facts": number(ours[kind]["facts_recalled"]),
            "loop's": number(loop[kind]["facts_recalled"]),
            "false a clip": number(ours[kind]["false_claims_per_clip"]),
            "the loop's": number(loop[kind]["false_claims_per_clip"]),
            "WER": number(ours[kind]["wer"]),
            "its WER": number(loop[kind]["wer"]),
            "order": number(ours[kind]["event_order"]),
            "times": number(ours[kind]["event_times"]),
            "handled": number(ours[kind]["handled"]),
            "words": number(ours[kind]["words_per_caption"], 0),
        }
        for kind in KINDS
        if kind in ours
    ]
    told = "; ".join(
        f"{ATTRIBUTES.get(name, name)} {c['hit']} of {sum(c.values())}, {c['wrong']} wrong"
        for name, c in sorted(ours["all"]["attributes"].items())
    )
    false, peer = result["false_quotes"], result["loop_false_quotes"]
    beside = "" if peer is None else f", {len(peer) or 'none'} by the loop"
    earlier = "" if result["loop_of_this_run"] else " Its figures are of 2026-11-24 (the shared judge's BASELINE.md)."
    lines = [
        f"{ours['all']['clips']} of the corpus's {result['clips_of_corpus']} labelled clips. The peer is what one "
        "would script in an afternoon: a tagger's five best classes and a transcriber's words, with the same models."
        f"{earlier} *Facts*: share of the labelled facts that are told. *False*: claims that the labels exclude. "
        "*WER*: word errors of what is quoted. *Intact*: all but damaged and degenerate files.",
        "",
        table(rows),
        "",
        f"Attributes that are labelled, and told rightly: {told}. (Expression shows nothing here: its clips are of "
        "the set that its head was trained on.)",
        "",
        f"Words quoted on the {result['without_speech']} clips where nobody speaks: "
        f"{len(false) or 'none'} by Earwitness{beside}.",
        *_more(),
        *_read(result),
    ]
    return "\n".join([how(result), "", *lines])


def _more() -> list[str]:
    """Blanks filled in from captions alone, and generated sequences."""
    lines: list[str] = []
    if cloze := load("cloze"):
        rows = [{key: r[key] for key in ("blank", "n", "right", "wrong", "not stated")} for r in cloze["rows"]]
        lines += ["", "Sentences with a blank, made from the labels and filled in from the caption alone:", ""]
        lines += [table(rows), "", how(cloze)]
    if r := load("sequences"):
        lines += [
            "",
            f"Generated sequences of known sounds at known times: of {r['events']} events {number(r['mentioned'])} are "
            f"mentioned; of neighbours that are, {number(r['order'])} in order; {number(r['times'])} with their time "
            f"right. {how(r)}",
        ]
    return lines


def _read(result: Result) -> list[str]:
    """Captions to be read, as they came."""
    clips = {c["file"]: c for c in result["clips"] if c.get("caption")}
    chosen = [clips[name] for name in READ if name in clips] or list(clips.values())[::7][:3]
    lines = []
    for clip in chosen:
        lines += ["", f"`{clip['file']}`, {clip['duration_s']:.1f} s; Earwitness:", ""]
        lines += [f"> {line}" if line else ">" for line in str(clip["caption"]).split("\n")]
        if result["loop_of_this_run"]:
            lines += ["", "The loop:", "", f"> {clip.get('loop') or '(nothing)'}"]
    return lines


def speed() -> str | None:
    """Time beside faster-whisper, and the start."""
    result, start = load("caption-speed"), load("caption-start")
    if not result:
        return None
    rows = [
        {
            "class": r["class"],
            "clips": r["clips"],
            "Earwitness, s": number(r["ours_s"]),
            "faster-whisper, s": number(r["faster_whisper_s"]),
            "ratio": f"{number(r['ratio'])} ({number(r['min'])}–{number(r['max'])})",
        }
        for r in result["rows"]
    ]
    lines = [
        how(result),
        "",
        "The whole caption (words, sounds, voices, room, music) against faster-whisper's transcription of the "
        "same clip "
        f"alone: same model folder, int8, {result['beam']} beams, two threads, its own defaults, both loaded, in one "
        "process, in turn. It takes longest where nobody speaks: it decodes such clips again and again at higher "
        "temperatures, and Earwitness does not decode what is not speech.",
        "",
        table(rows),
    ]
    if start:
        lines += [
            "",
            f"Start-up: `earwitness --help` {wide(start['help'])} s; the command's first caption (a clip of 2 s) "
            f"{wide(start['caption'], 1)} s, importing faster-whisper and loading its model "
            f"{wide(start['peer'], 1)} s, "
            f"ratio {wide(start['caption_to_peer'])}. {how(start)}",
        ]
    return "\n".join(lines)


def growth() -> str | None:
    """Time and memory against length, and the two long clips."""
    parts = [_lengths(load("growth-length")), _long(load("caption-long"))]
    return "\n\n".join(part for part in parts if part) or None


def _lengths(result: Result | None) -> str | None:
    if not result:
        return None
    rows = [
        {
            "minutes": f"{r['minutes']:g}",
            "who": r["who"],
            "first words, s": wide(r["first_s"], 1),
            "whole, s": wide(r["total_s"], 1) if r["whole"] else "stopped at its first segment",
            "peak, MB": wide(r["peak_mb"], 0),
            "runs": r["peak_mb"]["n"],
        }
        for r in result["rows"]
    ]
    material = (
        "One minute of English talk by three voices that ends in music, repeated; every run a process of its own."
    )
    lines = [how(result), "", material, "", table(rows)]
    if "time_line" in result:
        time, memory = result["time_line"], result["memory_line"]
        lines += [
            "",
            f"Straight lines through the medians of Earwitness: {time['base']:.1f} s + {time['slope']:.2f} s for each "
            f"minute (r² {time['r2']:.4f}); {memory['base']:.0f} MB + {memory['slope']:.2f} MB for each minute. "
            f"A minute more of the longest clips costs {result['cost_ratio']:.2f} times what it costs of the shortest "
            "(1: linear).",
        ]
    return "\n".join(lines)


def _long(result: Result | None) -> str | None:
    """39 minutes of near silence and of talk and music."""
    if not result:
        return None
    names = {"quiet": "near silence, four events", "talk": "talk and music"}
    rows = [
        {
            "39 minutes of": names[r["clip"]],
            "who": r["who"],
            "first words, s": number(r["first_s"], 1),
            "whole, s": _ending(r, result),
            "peak, MB": number(r["peak_mb"], 0),
        }
        for r in result["rows"]
    ]
    return "\n".join([table(rows), "", how(result)])


def _ending(row: dict[str, Any], result: Result) -> str:
    """How a run ended: with its time, with an error, or stopped early, as the peer is unless asked for in full."""
    if row["exit"]:
        return f"**failed** after {row['total_s']:.0f} (exit {row['exit']})"
    if row["who"] == "earwitness" or result["peer_in_full"]:
        return number(row["total_s"], 0)
    return "stopped at its first segment"


def hours() -> str | None:
    """One recording of hours."""
    result = load("growth-hours")
    if not result:
        return None
    second, last = result["memory_second_tenth_mb"], result["memory_last_tenth_mb"]
    return "\n".join(
        [
            how(result),
            "",
            f"One recording of {result['hours']:g} hours of talk and music by the command with `--max-minutes 0`: "
            f"{result['took_s'] / 60:.1f} minutes, first words after {number(result['first_s'], 0)} s, "
            f"{result['told_bytes']:,} bytes of text, the second half of it in {later(result):.2f} times the time of "
            f"the first; memory {second:.0f} MB in the second tenth of the time, "
            f"{last:.0f} MB in the last, {result['peak_mb']:.0f} MB at most.",
        ]
    )


def clips() -> str | None:
    """Many clips."""
    result = load("growth-clips")
    if not result:
        return None
    rows = [
        {"clips": p["clips"], "ms a clip": number(1000 * p["s_per_clip"], 0), "memory, MB": number(p["memory_mb"], 0)}
        for p in result["parts"]
    ]
    return "\n".join(
        [
            how(result),
            "",
            f"{result['clips']:,} clips of a quarter to half a second (sounds and music, no words) through `earwitness "
            f"bulk`, {result['errors']} errors. The first tenth holds the start and the loading of models.",
            "",
            table(rows),
        ]
    )


def _rounds(result: Result) -> str:
    """How often all doors were gone through: threads by turns, and a run that was cut off is told as what it was."""
    rounds = result["captions"] // (result["clips"] * len(result["doors"]))
    if rounds == len(result["threads"]) * result["runs"]:
        return f"one and two threads × {result['runs']} run{'s' if result['runs'] > 1 else ''}"
    return f"{rounds} round{'s' if rounds > 1 else ''} (one thread and two by turns; a whole measurement has six)"


def sameness() -> str | None:
    """One text for the same bytes, and the cloud."""
    result = load("sameness")
    if not result:
        return None
    differing = result["clips"] - result["clips_with_one_text"]
    lines = [
        how(result),
        "",
        f"{result['clips']} clips × command line, OpenAI client, DashScope client, bulk × {_rounds(result)}, every one "
        f"with servers and workers started anew: "
        f"{result['captions']} captions, **{result['clips_with_one_text']} of {result['clips']} clips have one text**"
        + (f"; {differing} have up to {result['most_texts_of_a_clip']}." if differing else "."),
    ]
    if cloud := result.get("cloud"):
        lines += [
            "",
            f"The cloud makes no such promise. The documentation of its captioner prints {cloud['printed']} "
            "answers for "
            f"one and the same recording; {cloud['different']} of them differ, and share "
            f"{min(cloud['shared_words']):.0%} to {max(cloud['shared_words']):.0%} of their words. They begin:",
            "",
            *(f"> {opening} …\n>" for opening in cloud["openings"][:-1]),
            f"> {cloud['openings'][-1]} …",
        ]
    return "\n".join(lines)
