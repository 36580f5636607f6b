"""Whether the same bytes get the same text, whatever door they come in by.

    python -m bench.sameness                     # 20 clips, four doors, one and two threads, three runs
    python -m bench.sameness --clips 3 --runs 1

Doors: the command, the OpenAI client and the DashScope client in front of a server, and `bulk`. Every run starts the
server, the crew of `bulk` and the command anew; two commands run side by side, so that the machine is never quiet.
Nothing is timed. Kept are how many different texts each clip got (it should be one), and what differs
where they do. What the cloud's own documentation prints for its one sample recording is read from the shared folder
and counted beside it: programs that print a result, and how many different captions those are.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import itertools
import json
import random
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.caption import COMMAND
from bench.long import SEED, labels, shared
from bench.machine import PROGRAM, machine, program, save
from bench.servers import MODEL, STARTED
from earwitness.bulk import manifest
from earwitness.bulk.run import Run
from earwitness.bulk.sinks import rows, sink
from earwitness.bulk.work import Crew

THREADS = (1, 2)
LONGEST_S = 13.0
SAMPLE = re.compile(r"(The audio clip .{600,}?)(?:\"|\n\n\s*(?:Node\.js|curl|Java|Python))", re.S)
"""A caption as the documentation prints it, in JSON or as printed text."""


def clips(count: int) -> list[Path]:
    """So many clips that can be heard, of every kind, up to 13 s: seeded."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for row in labels():
        if row.get("expect", "caption") == "caption" and 0 < float(str(row["duration_s"])) <= LONGEST_S:
            kinds[str(row["kind"])].append(str(row["file"]))
    rng = random.Random(SEED)
    for names in kinds.values():
        rng.shuffle(names)
    turns = itertools.chain.from_iterable(itertools.zip_longest(*(kinds[k] for k in sorted(kinds))))
    chosen = [name for name in turns if name][:count]
    return [shared() / "corpus" / "audio" / name for name in chosen]


# ---------------------------------------------------------------- doors


def by_command(paths: list[Path], threads: int) -> list[str]:
    """Every other clip by one process, the rest by another beside it."""

    def some(mine: list[Path]) -> dict[str, str]:
        call = [COMMAND, "caption", "-q", "--json", "--threads", str(threads), *map(str, mine)]
        out = subprocess.run(call, check=True, capture_output=True, text=True).stdout
        found = [json.loads(line) for line in out.splitlines()]
        return {Path(row["source"]).name: str(row["caption"]).strip() for row in found}

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(some, [paths[::2], paths[1::2]])
    return [(one | two)[path.name] for path in paths]


def by_openai(paths: list[Path], root: str) -> list[str]:
    """Base64 in the chat form; every other clip streamed."""
    import openai

    client = openai.OpenAI(api_key="any", base_url=f"{root}/v1", max_retries=0)
    texts = []
    for number, path in enumerate(paths):
        data = "data:;base64," + base64.b64encode(path.read_bytes()).decode()
        content: Any = [{"type": "input_audio", "input_audio": {"data": data}}]
        ask: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": content}]}
        if number % 2:
            parts = client.chat.completions.create(**ask, stream=True)
            texts.append("".join(p.choices[0].delta.content or "" for p in parts if p.choices).strip())
        else:
            texts.append((client.chat.completions.create(**ask).choices[0].message.content or "").strip())
    return texts


def by_dashscope(paths: list[Path], root: str) -> list[str]:
    """Local files, which the client uploads first."""
    import dashscope

    dashscope.base_http_api_url = f"{root}/api/v1"
    texts = []
    for path in paths:
        messages = [{"role": "user", "content": [{"audio": f"file://{path}"}]}]
        found = dashscope.MultiModalConversation.call(api_key="any", model=MODEL, messages=messages)
        if found.status_code != 200:
            raise RuntimeError(f"{path.name}: {found.status_code} {found.message}")
        texts.append(found.output.choices[0].message.content[0]["text"].strip())
    return texts


def by_bulk(paths: list[Path], threads: int) -> list[str]:
    """All clips in one run: two workers of one thread, or one of two."""
    with tempfile.TemporaryDirectory() as scratch:
        listed, out = Path(scratch) / "clips.txt", Path(scratch) / "out.jsonl"
        listed.write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")
        there = sink(out)
        there.open(lambda _: True)
        crew = Crew(3 - threads, flags={"scene": {"threads": threads}})
        Run(crew, there, lambda _: None).run(manifest.read(str(listed)))
        there.close()
        texts = {Path(str(row["source"])).name: row["caption"] for row in rows(out)}
    return [str(texts[path.name]).strip() for path in paths]


@contextmanager
def server(threads: int) -> Iterator[str]:
    """The command's server with so many threads."""
    with tempfile.TemporaryDirectory() as folder:
        own = {"SERVER_KEYS_FILE": f"{folder}/keys.json", "SERVER_UPLOADS_FOLDER": f"{folder}/uploads"}
        own |= {"LEDGER_URL": f"sqlite:///{folder}/ledger.db", "SCENE_THREADS": str(threads)}
        call = ["env", *(f"EARWITNESS_{key}={value}" for key, value in own.items())]
        call += [sys.executable, "-c", STARTED, "serve", "--port", "0", "-q"]
        log = Path(folder) / "log"
        with log.open("w") as err:
            process = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=err, text=True)
        try:
            words = process.stdout.readline().split() if process.stdout else []
            if len(words) < 4:
                raise RuntimeError(f"the server did not come up: {log.read_text(encoding='utf-8')[-2000:]}")
            yield words[3]
        finally:
            process.terminate()
            process.communicate(timeout=60)


# ---------------------------------------------------------------- counting


def measure(paths: list[Path], runs: int, keep: Callable[[dict[str, Any]], None] = lambda _: None) -> dict[str, Any]:
    """Different texts of each clip over doors, threads and runs. `keep` gets what is known after each run."""
    texts: dict[str, dict[str, list[str]]] = {path.name: defaultdict(list) for path in paths}
    found: dict[str, Any] = {}
    for run, threads in itertools.product(range(runs), THREADS):
        with server(threads) as root:
            doors = {"openai": by_openai(paths, root), "dashscope": by_dashscope(paths, root)}
        doors |= {"command": by_command(paths, threads), "bulk": by_bulk(paths, threads)}
        for door, said in doors.items():
            for path, text in zip(paths, said, strict=True):
                texts[path.name][text].append(f"{door}/{threads}/{run + 1}")
        if program() != PROGRAM:
            raise RuntimeError("the program was changed while it was measured: no two texts can be compared")
        found = counted(texts, run + 1)
        print(f"run {run + 1}, {threads} threads: {found['most_texts_of_a_clip']} text a clip at most", flush=True)
        keep(found)
    return found


def counted(texts: dict[str, dict[str, list[str]]], runs: int) -> dict[str, Any]:
    """How many texts each clip got."""
    told = [
        {
            "file": name,
            "captions": sum(len(where) for where in found.values()),
            "texts": len(found),
            "sha256": hashlib.sha256(max(found, key=lambda t: len(found[t])).encode()).hexdigest()[:16],
        }
        for name, found in texts.items()
    ]
    return {
        "clips": len(told),
        "doors": ["command", "openai", "dashscope", "bulk"],
        "threads": list(THREADS),
        "runs": runs,
        "captions": sum(r["captions"] for r in told),
        "most_texts_of_a_clip": max(r["texts"] for r in told),
        "clips_with_one_text": sum(r["texts"] == 1 for r in told),
        "rows": told,
        "differing": {name: dict(found) for name, found in texts.items() if len(found) > 1},
    }


def cloud() -> dict[str, Any] | None:
    """The captions that the service's documentation prints of one recording: how many there are, how many differ, and
    how many of their words any two of the different ones share. None without the shared folder."""
    pages = sorted((shared() / "seed").glob("*.txt"))
    if not pages:
        return None
    text = "\n".join(p.read_text(encoding="utf-8") for p in pages).replace("\\n", "\n")
    printed = [" ".join(m[1].split()) for m in SAMPLE.finditer(text)]
    different = list(dict.fromkeys(printed))
    bags = [set(re.findall(r"[a-z]+", caption.lower())) for caption in different]
    shares = [len(one & two) / len(one | two) for one, two in itertools.combinations(bags, 2)]
    return {
        "printed": len(printed),
        "different": len(different),
        "shared_words": [round(s, 2) for s in shares],
        "openings": [caption.split(". ")[0][:240] for caption in different],
    }


def main() -> None:
    """Runs all doors and writes the result; exit status 1 if a clip got two texts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--runs", type=int, default=3)
    a = parser.parse_args()
    print(json.dumps(machine()), flush=True)
    beside = {"cloud": cloud()}

    def keep(so_far: dict[str, Any]) -> None:
        save("sameness", so_far | beside)

    result = measure(clips(a.clips), a.runs, keep) | beside
    print(json.dumps({k: v for k, v in result.items() if k != "rows"}, indent=1, ensure_ascii=False))
    keep(result)
    raise SystemExit(result["most_texts_of_a_clip"] > 1)


if __name__ == "__main__":
    main()
