"""The loading examples of the guide, run on rows like real ones."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from earwitness.bulk.sinks import Row, sink

GUIDE = (Path(__file__).parents[2] / "docs" / "bulk.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


def row(number: int) -> Row:
    """Notes of different attributes, a clip without any, and a failed one: what makes types disagree."""
    head = {"id": f"{number}.wav", "source": f"in/{number}.wav", "sha256": f"{number}", "seconds": 10.0 + number}
    if number == 3:
        return head | {
            "seconds": None,
            "caption": None,
            "error": {"code": "not_audio", "message": "This is not audio."},
        }
    notes = [
        {"id": "s@1", "kind": "sound", "label": "dog", "start": 1.0, "end": 2.0, "score": 0.9, "certainty": "sure"},
        {"id": "u@3", "kind": "utterance", "label": "speech", "start": 3.0, "end": 4.0, "attributes": {"text": "Hi."}},
        {
            "id": "l@0",
            "kind": "level",
            "label": "level",
            "start": 0,
            "end": 9.5,
            "attributes": {"lufs": -23.0 - number},
        },
        {"id": "c@0", "kind": "coverage", "label": "sound", "start": 0.0, "end": 9.5, "attributes": {"what": "ran"}},
    ]
    usage = {"prompt_tokens": 138, "completion_tokens": 40 + number, "total_tokens": 178 + number}
    sentences = [{"text": "A dog barks.", "because": ["s@1"], "start": 1.0, "end": 2.0}]
    told = {"caption": "A dog barks.", "summary": "A dog.", "engine": "scene/0.1", "usage": usage, "error": None}
    return head | told | {"sentences": sentences, "notes": [] if number == 2 else notes}


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    for name in ("captions.jsonl", "captions"):
        there = sink(tmp_path / name)
        there.open(lambda _: True)
        for number in range(6):
            there.append(row(number))
        there.close()
    return tmp_path


def test_there_are_examples_of_both() -> None:
    joined = "".join(EXAMPLES)
    assert "import polars" in joined
    assert "import duckdb" in joined


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.split("\n")[0])
def test_the_example_runs_and_tells_the_truth(outputs: Path, example: str) -> None:
    code = ["import json", example, "print(json.dumps(result))"]
    done = subprocess.run([sys.executable, "-c", "\n".join(code)], cwd=outputs, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result == {"clips": 6, "failed": {"not_audio": 1}, "dogs": [f"{n}.wav" for n in (0, 1, 4, 5)], "tokens": 212}
