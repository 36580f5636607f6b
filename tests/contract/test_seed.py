"""Checks 1 to 17: every program of the documentation that can run here, with only base URL and file path replaced."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kit.clients import Files, Served
from kit.seed import CLOUD, Program, programs

pytestmark = pytest.mark.corpus

AUDIO = re.compile(r"https://help-static-aliyun-doc\.aliyuncs\.com/\S+?\.wav")
CUT = "SUQzBAAAAAAAI1RTU0UAAAAPAAADTGF2ZjU4LjI5...."
NAMES = [
    f"{language}-{protocol}-{kind}"
    for language, protocol, kinds in (
        ("python", "openai", ("url", "stream", "base64")),
        ("node", "openai", ("url", "stream", "base64")),
        ("curl", "openai", ("url", "stream", "base64")),
        ("python", "dashscope", ("url", "stream", "base64", "file")),
        ("curl", "dashscope", ("url", "stream", "base64")),
    )
    for kind in kinds
]


@pytest.fixture(scope="module")
def printed(shared: Path) -> dict[str, Program]:
    """The programs by name."""
    return {program.name: program for program in programs(shared)}


@pytest.fixture
def file(tmp_path: Path, wav: bytes) -> Path:
    path = tmp_path / "welcome.mp3"
    path.write_bytes(wav)
    return path


def adapted(program: Program, server: Served, media: Files, file: Path) -> str:
    """The program with the base URL and the audio's place replaced, and the repairs that the contract lists."""
    text = program.text.replace(CLOUD, server.root)
    text = AUDIO.sub(media.url("tone.wav"), text)
    text = text.replace("xxx/ABSOLUTE_PATH/welcome.mp3", str(file)).replace("ABSOLUTE_PATH/welcome.mp3", str(file))
    if program.name == "python-dashscope-stream":
        text = "import os\n" + text
    return text


def test_the_documentation_holds_twenty_programs(printed: dict[str, Program]) -> None:
    assert len(printed) == 20
    assert set(NAMES) < set(printed)
    assert {name.partition("-")[0] for name in set(printed) - set(NAMES)} == {"java"}


def run(command: list[str], text: str | None, folder: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("DASHSCOPE", "OPENAI", "EARWITNESS"))}
    environment |= {"DASHSCOPE_API_KEY": "sk-any", "HOME": str(folder)}
    done = subprocess.run(command, input=text, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", [n for n in NAMES if n.startswith("python")])
def test_python(
    name: str, printed: dict[str, Program], server: Served, media: Files, file: Path, text: str, tmp_path: Path
) -> None:
    out = run([sys.executable, "-"], adapted(printed[name], server, media, file), tmp_path)
    assert text in out
    assert "None" not in out


@pytest.mark.node
@pytest.mark.parametrize("name", [n for n in NAMES if n.startswith("node")])
def test_node(
    name: str, printed: dict[str, Program], server: Served, media: Files, file: Path, text: str, node: Path
) -> None:
    program = node / f"{name}.mjs"
    program.write_text(adapted(printed[name], server, media, file))
    out = run(["node", program.name], None, node)
    if name.endswith("stream"):
        # The program prints each piece on a line of its own, and the usage object once, last.
        assert "".join(line for line in out.partition("{\n")[0].splitlines()) == text
        assert out.count("prompt_tokens:") == 1
        assert out.rstrip().endswith("}")
    else:
        assert out.strip() == text


@pytest.mark.curl
@pytest.mark.parametrize("name", [n for n in NAMES if n.startswith("curl")])
def test_curl(
    name: str, printed: dict[str, Program], server: Served, media: Files, file: Path, text: str, tmp_path: Path
) -> None:
    script = adapted(printed[name], server, media, file).replace(
        "SUQzBAAAAAAAI1RTU0UAAAAPAAADTGF2ZjU4LjI5....", b64(file)
    )
    out = run(["bash", "-c", script], None, tmp_path)
    if name == "curl-openai-stream":
        assert out.endswith("data: [DONE]\n\n")
        chunks = [json.loads(line[6:]) for line in out.splitlines() if line.startswith("data: {")]
        assert "".join(c["choices"][0]["delta"]["content"] for c in chunks if c["choices"]) == text
        assert chunks[-1]["choices"] == []
        assert chunks[-1]["usage"]["prompt_tokens"] == 33
    elif name == "curl-dashscope-stream":
        events = [json.loads(line[5:]) for line in out.splitlines() if line.startswith("data:")]
        said = [e["output"]["choices"][0]["message"]["content"] for e in events]
        assert "".join(content[0]["text"] for content in said[:-1]) == text
        assert said[-1] == []
    elif "openai" in name:
        body = json.loads(out)
        assert keys(body) == OPENAI_KEYS
        assert body["choices"][0]["message"]["content"] == text
    else:
        body = json.loads(out)
        assert keys(body) == DASHSCOPE_KEYS
        assert body["output"]["choices"][0]["message"]["content"][0]["text"] == text


@pytest.mark.curl
@pytest.mark.parametrize("name", ["curl-openai-base64", "curl-dashscope-base64"])
def test_10_base64_as_printed_is_cut_short(
    name: str, printed: dict[str, Program], server: Served, media: Files, file: Path, tmp_path: Path
) -> None:
    out = run(["bash", "-c", adapted(printed[name], server, media, file)], None, tmp_path)
    body = json.loads(out)
    assert (body.get("error") or body)["message"] == "The audio data is not valid base64."


def b64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def keys(tree: object) -> object:
    """The shape of a JSON value: names of keys, lists by their first item."""
    if isinstance(tree, dict):
        return {name: keys(value) for name, value in tree.items()}
    if isinstance(tree, list):
        return [keys(value) for value in tree[:1]]
    return None


OPENAI_KEYS = keys(
    {
        "choices": [
            {"message": {"content": "", "role": ""}, "finish_reason": "stop", "index": 0, "logprobs": None},
        ],
        "object": "",
        "usage": {
            "prompt_tokens": 0,
            "completion_tokens": 0,
            "total_tokens": 0,
            "prompt_tokens_details": {"audio_tokens": 0, "text_tokens": 0},
            "completion_tokens_details": {"text_tokens": 0},
        },
        "created": 0,
        "system_fingerprint": None,
        "model": "",
        "id": "",
    }
)
DASHSCOPE_KEYS = keys(
    {
        "output": {"choices": [{"finish_reason": "", "message": {"role": "", "content": [{"text": ""}]}}]},
        "usage": {
            "input_tokens_details": {"audio_tokens": 0, "text_tokens": 0},
            "total_tokens": 0,
            "output_tokens": 0,
            "input_tokens": 0,
            "output_tokens_details": {"text_tokens": 0},
        },
        "request_id": "",
    }
)
