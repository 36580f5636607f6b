"""The pictures of docs/benchmarks.md, drawn from results only; the same results give the same bytes.

Each function takes what it draws and gives a figure, or None where a result is missing. Text stays text, so that files
are small and can be searched; the identifiers are salted and no date is written, so that a test can compare files.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from bench.cost import OUTPUT_TOKENS, cloud_usd, machine_hours
from bench.kept import QUICK, load

OURS, PEER, OTHER, AIM = "#14706f", "#b3b9bd", "#e0a458", "#b4432f"
INK = "#23292e"
FONTS = "'DejaVu Sans', Verdana, sans-serif"
"""The first is what the text is measured with; it comes with matplotlib and need not be there where it is read."""
BUSY = 0.3
"""From so many cores on that others keep busy, a time is no more than rough."""
STYLE = {
    "svg.hashsalt": "earwitness",
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#e4e7e9",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}


def sheet(columns: int = 1, width: float = 7.2, height: float = 3.0) -> tuple[Figure, list[Axes]]:
    """An empty figure with so many plots side by side."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasSVG(figure)
    axes = figure.subplots(1, columns, squeeze=False)
    return figure, list(axes[0])


def bars(ax: Axes, names: list[str], series: list[tuple[str, str, list[float]]], form: str = "{:.2f}") -> None:
    """Groups of bars with their values above them."""
    width = 0.8 / len(series)
    for number, (label, colour, values) in enumerate(series):
        at = [i + (number - (len(series) - 1) / 2) * width for i in range(len(names))]
        drawn = ax.bar(at, values, width * 0.94, label=label, color=colour)
        ax.bar_label(drawn, labels=[form.format(v) if v else "0" for v in values], padding=2, fontsize=7.5)
    ax.set_xticks(range(len(names)), names)
    ax.tick_params(axis="x", length=0)


def rough(figure: Figure, *results: dict[str, Any] | None) -> Figure:
    """Says under the picture what makes its figures rough: a shortened run, or other programs on the machine."""
    there = [r for r in results if r]
    notes = ["shortened run"] if any(r["mode"] == QUICK for r in there) else []
    others = max((r["machine"].get("others_cores") or 0.0 for r in there), default=0.0)
    if others >= BUSY:
        notes.append(f"other programs kept {others:.1f} of {there[0]['machine']['cores']} cores busy")
    if notes:
        figure.supxlabel(f"Rough: {', '.join(notes)}.", x=0.01, ha="left", fontsize=7.5, color=AIM)
    return figure


def quality() -> Figure | None:
    """Facts recalled and false claims by kind, beside the loop."""
    result = load("quality")
    if not result:
        return None
    kinds = [k for k in ("speech", "sound", "music", "mix", "acoustic") if k in result["summary"]]
    figure, (left, right) = sheet(2)
    for ax, key, title in (
        (left, "facts_recalled", "Labelled facts told (more is better)"),
        (right, "false_claims_per_clip", "False claims a clip (less is better)"),
    ):
        both = [[result[who][k][key] or 0.0 for k in kinds] for who in ("summary", "loop")]
        bars(ax, kinds, [("Earwitness", OURS, both[0]), ("tagger + transcriber", PEER, both[1])])
        ax.set_title(title)
        ax.set_ylim(0, max(1.05 if ax is left else 0.1, 1.2 * max(map(max, both))))
    right.legend(loc="upper right")
    return figure


def speed() -> Figure | None:
    """Seconds a clip by class, beside faster-whisper."""
    result = load("caption-speed")
    if not result:
        return None
    rows = result["rows"]
    figure, (ax,) = sheet(height=2.8)
    names = [f"{r['class']}\n{r['ratio']:.2f} ×" for r in rows]
    ours, peer = [r["ours_s"] for r in rows], [r["faster_whisper_s"] for r in rows]
    bars(ax, names, [("Earwitness, whole caption", OURS, ours), ("faster-whisper, words only", PEER, peer)], "{:.1f}")
    ax.set_title("Seconds for a clip of 5 to 30 s; below: median of our time ÷ its time")
    ax.set_ylim(0, 1.15 * max(*ours, *peer))
    ax.legend(loc="upper left")
    return rough(figure, result)


def _lines(ax: Axes, rows: list[dict[str, Any]], key: str) -> None:
    for who, colour, mark in (("earwitness", OURS, "o"), ("faster-whisper", "#7d868c", "s")):
        mine = [r for r in rows if r["who"] == who and (key != "total_s" or r["whole"])]
        x, y = [r["minutes"] for r in mine], [r[key]["median"] for r in mine]
        spreads = [[r[key]["median"] - r[key]["min"] for r in mine], [r[key]["max"] - r[key]["median"] for r in mine]]
        ax.errorbar(x, y, yerr=spreads, color=colour, marker=mark, markersize=4, capsize=2, linewidth=1.4, label=who)
    ax.set_xlabel("minutes of talk and music")
    _from_zero(ax)


def _from_zero(ax: Axes) -> None:
    """Both axes begin at nothing, with room above what is drawn."""
    ax.set_ylim(0, 1.1 * ax.get_ylim()[1])
    ax.set_xlim(left=0)


def memory() -> Figure | None:
    """Peak memory of all processes against a clip's length."""
    result = load("growth-length")
    if not result:
        return None
    figure, (ax,) = sheet(height=2.8)
    _lines(ax, result["rows"], "peak_mb")
    ax.axhline(700, color=AIM, linewidth=1, linestyle="--", label="aim: 700 MB")
    ax.set_title("Peak memory of all processes, MB")
    ax.legend(loc="best")
    return rough(figure, result)


def growth() -> Figure | None:
    """Time for the whole and time to the first words against a clip's length."""
    result = load("growth-length")
    if not result:
        return None
    figure, (left, right) = sheet(2)
    _lines(left, result["rows"], "total_s")
    left.set_title("Seconds to the end")
    _lines(right, result["rows"], "first_s")
    right.set_title("Seconds to the first words")
    left.legend(loc="upper left")
    return rough(figure, result)


def hours() -> Figure | None:
    """Memory and text while one recording of hours is heard."""
    result = load("growth-hours")
    if not result:
        return None
    course = result["course"]
    figure, (left, right) = sheet(2)
    minutes = [t / 60 for t, _, _ in course]
    left.plot(minutes, [m for _, _, m in course], color=OURS, linewidth=1.4)
    left.set_title("Memory of all processes, MB")
    right.plot(minutes, [size / 1000 for _, size, _ in course], color=OURS, linewidth=1.4)
    right.set_title("Text told, thousands of bytes")
    for ax in (left, right):
        ax.set_xlabel(f"minutes since the start ({result['hours']:g} hours of audio)")
        _from_zero(ax)
    return rough(figure, result)


def clips() -> Figure | None:
    """Time and memory against the number of clips."""
    result = load("growth-clips")
    if not result:
        return None
    parts = result["parts"]
    figure, (left, right) = sheet(2)
    at = [p["clips"] for p in parts]
    left.plot(at, [1000 * p["s_per_clip"] for p in parts], color=OURS, marker="o", markersize=4)
    left.set_title("Milliseconds a clip, tenth by tenth")
    right.plot(at, [p["memory_mb"] for p in parts], color=OURS, marker="o", markersize=4)
    right.set_title("Memory of all processes, MB")
    for ax in (left, right):
        ax.set_xlabel("clips done")
        _from_zero(ax)
    return rough(figure, result)


def server() -> Figure | None:
    """Requests and captions a second and the first byte, beside what the server stands on."""
    first, decode, load_ = load("server-first"), load("server-decode"), load("load-scene")
    if not (first and decode and load_):
        return None
    figure, axes = sheet(3, height=2.8)
    plots: tuple[tuple[str, list[str], list[float], str], ...] = (
        (
            "Requests/s, decoding only",
            ["server", "bare decodes"],
            [decode["requests_per_s"]["median"], decode["decodes_in_a_loop_per_s"]["median"]],
            "{:.1f}",
        ),
        (
            f"Captions/s, {load_['clients']} clients",
            ["server", "bare engine"],
            [load_["captions_per_s"], sum(load_["bare_per_s"]) / len(load_["bare_per_s"])],
            "{:.2f}",
        ),
        (
            "First byte, ms",
            ["server", "bare Starlette"],
            [first["first_byte_ms"]["median"], first["bare_ms"]["median"]],
            "{:.2f}",
        ),
    )
    for ax, (title, names, values, form) in zip(axes, plots, strict=True):
        drawn = ax.bar(names, values, 0.6, color=[OURS, PEER])
        ax.bar_label(drawn, labels=[form.format(v) for v in values], padding=2, fontsize=8)
        ax.set_title(title)
        ax.set_ylim(0, 1.18 * max(values))
        ax.tick_params(axis="x", length=0)
    return rough(figure, first, decode, load_)


def bulk() -> Figure | None:
    """Clips a minute: the command in a loop, one worker, two workers, and two Ray actors where they were measured."""
    result, ray = load("scaling"), load("bulk_ray")
    if not result:
        return None
    rates = [("the command,\nonce a clip", 60 / result["loop_s_per_clip"]["median"], PEER)]
    for row in result["workers"]:
        name = f"bulk, {row['workers']} worker{'s' if row['workers'] > 1 else ''}"
        rates.append((name, 60 / row["s_per_clip"]["median"], OURS))
    if ray:
        rates.append(("bulk, 2 Ray actors", 60 / ray["ray_s_per_clip"], OTHER))
    figure, (ax,) = sheet(height=2.6)
    drawn = ax.bar([r[0] for r in rates], [r[1] for r in rates], 0.6, color=[r[2] for r in rates])
    ax.bar_label(drawn, labels=[f"{r[1]:.0f}" for r in rates], padding=2, fontsize=8)
    ax.set_title("Clips of 5 to 10 s a minute, two cores")
    ax.set_ylim(0, 1.15 * max(r[1] for r in rates))
    ax.tick_params(axis="x", length=0)
    return rough(figure, result, ray)


def cost() -> Figure | None:
    """What an hour of audio costs against what an hour of the machine costs, beside the cloud's price."""
    ours = machine_hours()
    if not ours:
        return None
    figure, (ax,) = sheet(height=3.4)
    top = 0.5
    for (name, hours_), colour in zip(ours.items(), (OURS, OTHER), strict=False):
        ax.plot([0, top], [0, top * hours_], color=colour, linewidth=1.8, label=f"Earwitness, {name}")
    for seconds, style in ((10.0, "-"), (60.0, "--"), (2400.0, ":")):
        what = f"{seconds:g} s" if seconds < 120 else f"{seconds / 60:g} min"
        price = cloud_usd("international", seconds)
        ax.plot(
            [0, top], [price, price], color=AIM, linewidth=1.1, linestyle=style, label=f"the cloud, clips of {what}"
        )
    ax.set_title(f"US dollars for an hour of audio ({OUTPUT_TOKENS} tokens told of a clip in the cloud)")
    ax.set_xlabel("US dollars for an hour of the machine (two cores)")
    _from_zero(ax)
    ax.set_xlim(0, top)
    ax.legend(loc="upper right", bbox_to_anchor=(1.0, 0.84), fontsize=8)
    return rough(figure, load("scaling"), load("growth-length"))


PLOTS: dict[str, Callable[[], Figure | None]] = {
    "bench-quality": quality,
    "bench-speed": speed,
    "bench-memory": memory,
    "bench-growth": growth,
    "bench-hours": hours,
    "bench-clips": clips,
    "bench-server": server,
    "bench-bulk": bulk,
    "bench-cost": cost,
}


def drawn() -> dict[str, str]:
    """Name -> SVG of each picture whose results are there."""
    found: dict[str, str] = {}
    with matplotlib.rc_context(STYLE):
        for name, plot in PLOTS.items():
            figure = plot()
            if figure is None:
                continue
            out = io.StringIO()
            figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
            text = out.getvalue().replace("'DejaVu Sans'", FONTS)
            found[name] = "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
    return found
