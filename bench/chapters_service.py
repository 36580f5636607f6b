"""The chapters on what a service costs: server, bulk, money, and the smaller parts."""

from __future__ import annotations

from bench.chapters import Result, how, number, wide
from bench.cost import CLIP_SECONDS, MACHINE_USD, OUTPUT_TOKENS, cloud_usd, machine_hours
from bench.kept import load
from bench.machine import table


def server() -> str | None:
    """The server beside what it stands on."""
    crowd = load("load-scene")
    results = [r for name in COMPARED if (r := load(f"server-{name}"))]
    rows = [row for name in COMPARED for row in _compared(name, load(f"server-{name}"))]
    if crowd:
        what = f"captions/s, {crowd['clients']} clients, one call in twenty hostile"
        bare = "–".join(number(x) for x in sorted(crowd["bare_per_s"]))
        rows.append(_row(what, number(crowd["captions_per_s"]), f"{bare} bare engine", number(crowd["ratio"])))
        results.append(crowd)
    if not rows:
        return None
    lines = [how(results[0]), "", table(rows)]
    if crowd:
        memory = crowd["memory_mb"]
        lines += [
            "",
            f"Under those {crowd['clients']} clients for {crowd['seconds']:.0f} s: {len(crowd['undocumented'])} "
            f"answers that are not documented; memory {memory['second_quarter']:.0f} MB in the second quarter, "
            f"{memory['last_quarter']:.0f} in the last. {how(crowd)}",
        ]
    if r := load("server-health"):
        lines += [
            "",
            f"`/healthz` while a long clip is heard: {r['answers']} answers, median {r['median_ms']} ms, p99 "
            f"{r['p99_ms']} ms, longest {r['max_ms']} ms, {r['over_100_ms']} over 100 ms.",
        ]
    return "\n".join(lines)


COMPARED: dict[str, tuple[str, str, str, str, int]] = {
    "decode": ("requests/s, 256 KB WAV, decoding only", "requests_per_s", "decodes_in_a_loop_per_s", "bare decodes", 1),
    "body": ("requests/s, nothing decoded", "requests_per_s", "bare_per_s", "bare Starlette", 0),
    "first": ("first byte of a stream, ms", "first_byte_ms", "bare_ms", "bare Starlette", 2),
    "parse": ("10 MB body read and decoded, ms", "ours_ms", "b64decode_ms", "bare base64", 1),
    "clips": ("clips/s", "ours_per_s", "peer_per_s", "faster-whisper-server", 2),
}
"""Result -> what is compared, the keys of both sides, what the other is, digits."""


def _row(what: str, ours: str, base: str, ratio: str) -> dict[str, str]:
    return {"what": what, "server": ours, "beside it": base, "ratio": ratio}


def _compared(name: str, result: Result | None) -> list[dict[str, str]]:
    """A row of a comparison; of clips/s one for each number of connections."""
    if not result:
        return []
    what, ours, theirs, peer, digits = COMPARED[name]
    if name != "clips":
        ratio = result["ratio" if "ratio" in result else "ratio_to_loop"]
        return [_row(what, wide(result[ours], digits), f"{wide(result[theirs], digits)} {peer}", wide(ratio))]
    return [
        _row(f"{what}, {n} at once", wide(r[ours], digits), f"{wide(r[theirs], digits)} {peer}", wide(r["ratio"]))
        for n in (1, 4)
        if (r := result[f"connections_{n}"])
    ]


def bulk() -> str | None:
    """Workers, the loop, Ray, resuming."""
    result = load("scaling")
    if not result:
        return None
    rows = [{"how": "the command, once a clip", "s a clip": wide(result["loop_s_per_clip"])}]
    for r in result["workers"]:
        name = f"bulk, {r['workers']} worker{'s' if r['workers'] > 1 else ''} of one thread"
        rows.append({"how": name, "s a clip": wide(r["s_per_clip"])})
    lines = [
        how(result),
        "",
        f"{result['clips']} clips of 5 to 10 s (speech, music and sounds), models loaded. Two workers do "
        f"{wide(result['two_over_one'])} times the work of one, and {result['faster_than_loop']:.1f} times that of a "
        "loop over the command.",
        "",
        table(rows),
    ]
    if r := load("bulk_speed"):
        lines += [
            "",
            f"{r['clips']} clips with the start in it: {r['bulk_s_per_clip']} s a clip, {r['times_faster']} times "
            f"faster than the loop ({r['loop_s_per_clip']} s); the listeners alone on both cores take "
            f"{r['share_of_listeners']:.0%} of that time. {how(r)}",
        ]
    if r := load("bulk_ray"):
        lines += [
            "",
            f"Two Ray actors {r['ray_s_per_clip']} s a clip, two local workers {r['local_s_per_clip']} s, ratio "
            f"{r['ray_over_local']}. {how(r)}",
        ]
    if r := load("bulk_memory"):
        lines += [
            "",
            f"Memory over {r['clips']:,} short clips: {r['early_mb']} MB early, {r['late_mb']} MB late, "
            f"{r['most_mb']} MB "
            f"at most. {how(r)}",
        ]
    if r := load("bulk_resume"):
        lines += [
            "",
            f"Going on with a finished run of {r['rows']:,} rows: {r['jsonl_s']} s (JSONL), {r['parquet_s']} s "
            "(Parquet). "
            f"{how(r)}",
        ]
    return "\n".join(lines)


def cost() -> str | None:
    """US dollars an hour of audio, beside the cloud's price list."""
    ours = machine_hours()
    if not ours:
        return None
    rows = []
    for name, hours_ in ours.items():
        prices = {f"at {usd:.2f} USD a machine hour": f"{usd * hours_:.4f} USD" for usd in MACHINE_USD}
        rows.append({"Earwitness": name, "machine hours for an hour of audio": number(hours_, 3), **prices})
    cloud = []
    for seconds in CLIP_SECONDS:
        what = f"{seconds:g} s" if seconds < 120 else f"{seconds / 60:g} minutes"
        row = {name: f"{cloud_usd(name, seconds):.3f} USD" for name in ("international", "mainland")}
        cloud.append({"the cloud, clips of": what, **row})
    return "\n".join(
        [
            "What an hour of audio costs. Ours is the machine's time as measured above, times what an hour of a "
            "machine of two cores costs you: an assumption, so three are given. The cloud's is its published list "
            "(`src/earwitness/accounting/prices.toml`): 12.5 tokens for a second of audio, 8 a call, and "
            f"{OUTPUT_TOKENS} told of a clip (its documentation prints answers of 387 and 399), free tokens aside. The "
            "two do not do the same: the cloud's is a model of 30 billion parameters.",
            "",
            table(rows),
            "",
            table(cloud),
        ]
    )


def rest() -> str | None:
    """Upstream, ledger, decoding, known truth."""
    lines: list[str] = []
    if r := load("upstream"):
        keys = {"size": "size", "direct_ms": "direct, ms", "parse_ms": "parse, ms", "forward_ms": "forward, ms"}
        keys |= {"first_added_ms": "first byte added, ms", "ratio": "ratio", "aim": "aim", "decode_ms": "decode, ms"}
        s = r["streams"]
        lines += [
            "**In front of another model server** (engine `upstream`): (parse + forward) ÷ a direct call.",
            "",
            table([{new: row[old] for old, new in keys.items()} for row in r["rows"]]),
            "",
            f"{s['streams']} streams at once: {s['lost']} lost, first word {s['first_word_late_ms']} ms after the "
            f"upstream said it. {how(r)}",
            "",
        ]
    if r := load("ledger"):
        lines += [
            f"**The ledger** ({r['store']}): {r['per_s']} requests a second, {r['cpu_ms']} ms of processor each, "
            f"{r['alone_ms']} ms when nothing else waits, {r.get('bytes_a_row', '–')} bytes a row. {how(r)}",
            "",
        ]
    if r := load("decode"):
        rows = [
            {"40 minutes": x["file"], "child, s": x["ours_s"], "ffmpeg, s": x["ffmpeg_s"], "ratio": x["wall_ratio"]}
            for x in r["rows"]
        ]
        lines += [
            "**Decoding** in the confined child beside the `ffmpeg` command line.",
            "",
            table(rows),
            "",
            how(r),
            "",
        ]
    if r := load("acoustics"):
        rows = [
            {
                "property": x["property"],
                "said where it is": f"{x['said']} of {x['have']}",
                "right where said": f"{x['right']} of {x['claims']}",
            }
            for x in r["rows"]
        ]
        head = f"**Known truth**: {r['clips_a_property']} generated clips a property, of most of them half without it."
        lines += [head, "", table(rows), "", how(r), ""]
    return "\n".join(lines).rstrip() or None
