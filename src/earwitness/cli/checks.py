"""What `earwitness doctor` looks at. A check is a function that yields findings; `CHECKS` is the list, in order.

Nothing here loads a model, changes a file or sends a byte; FFmpeg's versions are asked of a process of its own, since
only the decode worker may load it.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Literal

from earwitness import assemble
from earwitness.engines.model_memory import usable_memory
from earwitness.errors import NotReady
from earwitness.intake.limits import FFMPEG_FLOOR
from earwitness.settings import Settings

State = Literal["ok", "note", "bad"]

MEMORY_FLOOR = 1_000_000_000
"""Bytes that all our processes together stay under while `scene` hears a clip, rounded up."""
QWEN_GPU_BYTES = 65 * 2**30
"""59 GiB of weights in bfloat16, with room for the audio."""
_PROBE = "import av, json; print(json.dumps([getattr(av, 'ffmpeg_version_info', ''), av.library_versions]))"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `note`: works, but something optional is absent; `do`: how to mend it."""

    name: str
    state: State
    says: str
    do: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)


Check = Callable[[Settings], Iterable[Finding]]


def program(_: Settings) -> Iterator[Finding]:
    """Our version, Python's, the system's, and whether every package of the core is installed."""
    python = platform.python_version()
    facts = {"earwitness": metadata.version("earwitness"), "python": python, "system": platform.platform()}
    tested = sys.version_info[:2] == (3, 11) and platform.system() == "Linux" and platform.machine() == "x86_64"
    says = f"earwitness {facts['earwitness']}, Python {python}, {platform.system()} {platform.machine()}"
    yield Finding(
        "program", "ok" if tested else "note", says + ("" if tested else " (not a tested system)"), facts=facts
    )
    versions = {name: _version(name) for name in required()}
    absent = [name for name, version in versions.items() if version is None]
    if absent:
        yield Finding("packages", "bad", f"not installed: {', '.join(absent)}", "run: pip install earwitness", versions)
    else:
        told = ", ".join(f"{name} {versions[name]}" for name in ("av", "onnxruntime", "ctranslate2", "faster-whisper"))
        yield Finding("packages", "ok", told, facts=versions)


def ffmpeg(_: Settings) -> Iterator[Finding]:
    """The FFmpeg libraries that the decoder uses; never the system's command."""
    asked = subprocess.run([sys.executable, "-I", "-c", _PROBE], capture_output=True, text=True, timeout=60)
    if asked.returncode != 0:
        last = (asked.stderr.strip().splitlines() or ["no answer"])[-1]
        yield Finding(
            "ffmpeg", "bad", f"the decoder's library does not load: {last}", "run: pip install --force-reinstall av"
        )
        return
    name, libraries = json.loads(asked.stdout)
    number = tuple(int(n) for n in re.findall(r"\d+", name)[:2])
    floor = ".".join(map(str, FFMPEG_FLOOR))
    facts = {"version": name, "floor": floor, **{k: ".".join(map(str, v)) for k, v in libraries.items()}}
    says = f"FFmpeg {name} (libavcodec {facts.get('libavcodec')}, libavformat {facts.get('libavformat')})"
    if number >= FFMPEG_FLOOR:
        yield Finding("ffmpeg", "ok", says, facts=facts)
    else:
        yield Finding(
            "ffmpeg", "bad", f"{says} is older than {floor}", "run: pip install --upgrade 'av>=18.1,<19'", facts
        )


def decoder(settings: Settings) -> Iterator[Finding]:
    """Whether files can be decoded, and whether the kernel takes system calls away from what decodes them."""
    from earwitness.intake.decode import Decoder

    made = Decoder(settings.limits)

    async def started() -> None:
        try:
            await made.start()
        finally:
            await made.close()

    try:
        asyncio.run(started())
    except NotReady as error:
        yield Finding("decoder", "bad", error.message, "run: pip install --force-reinstall av numpy")
        return
    confined = made.versions is not None and made.versions.filtered
    says = "a child for each file, " + ("held to thirty system calls" if confined else "its system calls not filtered")
    do = "" if confined else "a kernel with seccomp on x86-64 or aarch64 filters them; docs/security.md"
    yield Finding("decoder", "ok" if confined else "note", says, do, {"filtered": confined})


def models(settings: Settings) -> Iterator[Finding]:
    """Every model of the catalogue: here, whole (all files hashed), and where from."""
    store = assemble.store(settings)
    for name, entry in store.known.items():
        verdict = store.verify(name)
        where = str(store.folder / entry.folder)
        facts = {"version": entry.version, "licence": entry.licence, "needed": entry.needed, "path": where}
        pull = f"run: earwitness models pull {name} ({entry.download_bytes / 1e6:.1f} MB)"
        if verdict.health == "present":
            yield Finding(f"model {name}", "ok", f"here and whole: {entry.use}", facts=facts)
        elif verdict.health == "broken":
            yield Finding(f"model {name}", "bad", f"broken: {'; '.join(verdict.problems)}", pull, facts)
        else:
            yield Finding(f"model {name}", "bad" if entry.needed else "note", f"not here: {entry.use}", pull, facts)


def machine(_: Settings) -> Iterator[Finding]:
    """Cores and memory that this process may use, containers' limits included."""
    cores, memory = usable_cores(), usable_memory()
    facts: dict[str, object] = {"cores": cores, "memory_bytes": memory}
    yield Finding("cores", "ok" if cores >= 2 else "note", f"{cores:g} usable", facts={"cores": cores})
    says = f"{memory / 1e9:.1f} GB free to use"
    if memory < MEMORY_FLOOR:
        yield Finding("memory", "note", says + ": one clip at a time may still be too much", "free some memory", facts)
    else:
        yield Finding("memory", "ok", says, facts=facts)


def folders(settings: Settings) -> Iterator[Finding]:
    """The cache and the temporary folder: writable, and how much room."""
    for name, folder in (
        ("cache folder", assemble.store(settings).folder),
        ("temporary folder", Path(tempfile.gettempdir())),
    ):
        there = next(p for p in (folder, *folder.parents) if p.exists())
        free = shutil.disk_usage(there).free
        facts = {"path": str(folder), "free_bytes": free}
        says = f"{folder}, {free / 1e9:.1f} GB free"
        if os.access(there, os.W_OK):
            yield Finding(name, "ok", says, facts=facts)
        else:
            yield Finding(
                name, "note", f"{says}, not writable", "name another one in EARWITNESS_CACHE or TMPDIR", facts
            )


def engines(settings: Settings) -> Iterator[Finding]:
    """What each engine lacks, and how to get it."""
    store = assemble.store(settings)
    lacking = [m.name for m in store.known.values() if m.needed and not store.present(m.name)]
    if lacking:
        says = f"lacks models: {', '.join(lacking)}"
        yield Finding(
            "engine scene", "bad", says, f"run: earwitness models pull {' '.join(lacking)}", {"lacks": lacking}
        )
    else:
        yield Finding("engine scene", "ok", "ready: needs no GPU and no network")
    yield _qwen()


def _qwen() -> Finding:
    absent = [name for name in ("torch", "transformers") if importlib.util.find_spec(name) is None]
    gpus = gpu_memory()
    facts: dict[str, object] = {"lacks": absent, "gpu_bytes": list(gpus)}
    lacks = [f"packages {', '.join(absent)}"] if absent else []
    if max(gpus, default=0) < QWEN_GPU_BYTES:
        best = f"the largest has {max(gpus) / 2**30:.0f} GiB" if gpus else "none found"
        lacks.append(f"a GPU with {QWEN_GPU_BYTES / 2**30:.0f} GiB ({best})")
    if not lacks:
        return Finding("engine qwen", "ok", "packages and a large enough GPU are here", facts=facts)
    do = "run: pip install 'earwitness[qwen]'" if absent else ""
    return Finding("engine qwen", "note", f"optional; lacks {' and '.join(lacks)}", do, facts)


def server(_: Settings) -> Iterator[Finding]:
    """What `earwitness serve` needs beside the core."""
    names = required("server")
    versions = {name: _version(name) for name in names}
    absent = [name for name, version in versions.items() if version is None]
    if absent:
        do = "run: pip install 'earwitness[server]'"
        yield Finding("server", "note", f"optional; lacks {', '.join(absent)}", do, versions)
    else:
        yield Finding("server", "ok", "all packages are installed", facts=versions)


def privacy(_: Settings) -> Iterator[Finding]:
    """Whether a library of ours may report its use to its makers: onnxruntime does, unless it is told not to."""
    if os.environ.get("ORT_DISABLE_TELEMETRY") == "1":
        yield Finding("privacy", "ok", "onnxruntime's reports of its use are turned off")
    else:
        yield Finding("privacy", "note", "onnxruntime may report its use to its makers", "set ORT_DISABLE_TELEMETRY=1")


CHECKS: tuple[Check, ...] = (program, ffmpeg, decoder, models, machine, folders, engines, server, privacy)
"""All checks in the order in which they are told. A new one is a function like these and its name here."""


def required(extra: str = "") -> list[str]:
    """The names of the packages that the core, or one of its extras, asks for."""
    found = []
    for line in metadata.requires("earwitness") or ():
        name, marker = re.split(r"[ <>=!~;\[(]", line, maxsplit=1)[0], line.partition(";")[2]
        wanted = re.search(r"extra\s*==\s*['\"]([^'\"]+)", marker)
        if (wanted[1] if wanted else "") == extra:
            found.append(name)
    return sorted(found)


def usable_cores() -> float:
    """Cores that this process may use: its affinity, and the container's quota."""
    cores = float(len(os.sched_getaffinity(0)))
    quota = _read("/sys/fs/cgroup/cpu.max").split()
    if len(quota) == 2 and quota[0].isdigit():
        cores = min(cores, int(quota[0]) / int(quota[1]))
    return round(cores, 2)


def gpu_memory() -> tuple[int, ...]:
    """Bytes of each NVIDIA GPU, as the driver's own tool tells them; empty without one."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    command = [tool, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(int(line) * 2**20 for line in told.split() if line.isdigit())


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
