"""The examples that speak to a server, run as a reader would run them against a real one on loopback."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kit.calls import audio, chat
from kit.clients import Files, Served, data_url, files, served, tone
from kit.echo import Speaks
from kit.node import openai

EXAMPLES = Path(__file__).parents[2] / "examples"
pytestmark = pytest.mark.timeout(400)
EXTRA = ('Quotes “here” and "there", a tab\tand a \\ backslash, ä é 中 \N{MUSICAL NOTE}.',)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("server"), Speaks(extra=EXTRA)) as running:
        yield running


@pytest.fixture(scope="module")
def media() -> Iterator[Files]:
    with files({"two tones.wav": tone(2.0), "tone.wav": tone(2.0)}) as running:
        yield running


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file whose name holds what shells and clients stumble over."""
    path = tmp_path_factory.mktemp("recordings") / "a + b 50%.wav"
    path.write_bytes(tone(2.0))
    return path


@pytest.fixture(scope="module")
def text(server: Served) -> str:
    """What every example must print for the tone."""
    return str(chat(server, audio(data_url(tone(2.0)))).choices[0].message.content)


def run(server: Served, command: list[str | Path], folder: Path | None = None) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI", "DASHSCOPE", "EARWITNESS"))}
    environment |= {
        "OPENAI_BASE_URL": f"{server.root}/v1",
        "DASHSCOPE_HTTP_BASE_URL": server.dashscope,
        "EARWITNESS_URL": server.root,
    }
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def given(kind: str, recording: Path, media: Files) -> str:
    return media.url("tone.wav") if kind == "address" else str(recording)


@pytest.fixture
def program(server: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs an example in Python with these arguments: here, since its client takes two seconds to import."""
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.root}/v1")
    monkeypatch.setenv("DASHSCOPE_HTTP_BASE_URL", server.dashscope)
    monkeypatch.delenv("DASHSCOPE_API_KEY", raising=False)

    def do(name: str, *arguments: str | Path) -> str:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return do


@pytest.mark.parametrize("kind", ["address", "file"])
@pytest.mark.parametrize("options", [[], ["--stream"]])
def test_python_openai(
    program: Callable[..., str], media: Files, recording: Path, text: str, kind: str, options: list[str]
) -> None:
    out = program("python_openai.py", *options, given(kind, recording, media))
    assert out.partition("\n(33 tokens in")[0].removesuffix("\n") == text


def test_python_openai_why(program: Callable[..., str], recording: Path) -> None:
    out = program("python_openai.py", "--why", recording)
    assert out.startswith("The clip lasts 2.000 seconds.\n      0.00 to 0.50 s  sound: echo\n")


@pytest.mark.parametrize("kind", ["address", "file"])
@pytest.mark.parametrize("options", [[], ["--stream"], ["--base64"]])
def test_python_dashscope(
    program: Callable[..., str], media: Files, recording: Path, text: str, kind: str, options: list[str]
) -> None:
    assert program("python_dashscope.py", *options, given(kind, recording, media)) == text + "\n"


def test_python_dashscope_says_what_is_wrong(program: Callable[..., str], recording: Path) -> None:
    (bad := recording.with_name("bad.wav")).write_bytes(b"no audio at all" * 50)
    with pytest.raises(SystemExit, match="400 InvalidParameter"):
        program("python_dashscope.py", bad)


@pytest.mark.node
@pytest.mark.parametrize(("kind", "options"), [("address", []), ("file", ["--stream"])])
def test_node(server: Served, media: Files, recording: Path, text: str, kind: str, options: list[str]) -> None:
    folder = openai()
    program = shutil.copy(EXAMPLES / "node" / "caption.mjs", folder / "example.mjs")
    assert run(server, ["node", program, *options, given(kind, recording, media)], folder) == text + "\n"


@pytest.mark.curl
@pytest.mark.parametrize("kind", ["address", "file"])
@pytest.mark.parametrize("options", [[], ["--stream"], ["--dashscope"], ["--dashscope", "--stream"]])
def test_curl(server: Served, media: Files, recording: Path, text: str, kind: str, options: list[str]) -> None:
    out = run(server, ["bash", EXAMPLES / "curl.sh", *options, given(kind, recording, media)])
    assert words(out, "--dashscope" in options, "--stream" in options) == text


def words(out: str, dashscope: bool, streamed: bool) -> str:
    """The words of what a server sent."""
    told = [json.loads(line.partition(":")[2]) for line in out.splitlines() if line.startswith(("data: {", "data:{"))]
    if not streamed:
        told = [json.loads(out)]
    if dashscope:
        contents = [t["output"]["choices"][0]["message"]["content"] for t in told]
        return "".join(c[0]["text"] for c in contents if c)
    field = "delta" if streamed else "message"
    return "".join(t["choices"][0][field]["content"] for t in told if t["choices"])


@pytest.mark.curl
def test_curl_says_what_is_wrong(server: Served, recording: Path) -> None:
    (bad := recording.with_name("bad.wav")).write_bytes(b"no audio at all" * 50)
    command = ["bash", str(EXAMPLES / "curl.sh"), str(bad)]
    done = subprocess.run(command, env={**os.environ, "EARWITNESS_URL": server.root}, capture_output=True, text=True)
    assert done.returncode == 22
    assert json.loads(done.stdout)["error"]["code"]


@pytest.mark.java
def test_java(server: Served, recording: Path, text: str) -> None:
    program = EXAMPLES / "java" / "Plain.java"
    command = ["java", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", str(program)]
    assert run(server, [*command, recording]) == text + "\n"


PARSER = """
import com.sun.source.util.JavacTask;
import java.nio.file.Path;
import java.util.Arrays;
import javax.tools.DiagnosticCollector;
import javax.tools.JavaFileObject;
import javax.tools.ToolProvider;

class Parses {
  public static void main(String[] files) throws Exception {
    var compiler = ToolProvider.getSystemJavaCompiler();
    var said = new DiagnosticCollector<JavaFileObject>();
    var manager = compiler.getStandardFileManager(said, null, null);
    var units = manager.getJavaFileObjectsFromPaths(Arrays.stream(files).map(Path::of).toList());
    ((JavacTask) compiler.getTask(null, manager, said, null, null, units)).parse();
    said.getDiagnostics().forEach(System.out::println);
  }
}
"""


@pytest.mark.java
def test_the_java_that_is_not_run_is_java_and_says_so(tmp_path: Path) -> None:
    program = EXAMPLES / "java" / "Sdk.java"
    assert "NOT RUN" in program.read_text()
    (parser := tmp_path / "Parses.java").write_text(PARSER)
    (broken := tmp_path / "Broken.java").write_text(program.read_text().replace("{\n", "\n", 1))
    call = ["java", "-XX:TieredStopAtLevel=1", "--add-modules", "jdk.compiler", str(parser), str(program), str(broken)]
    said = subprocess.run(call, capture_output=True, text=True, check=True).stdout
    assert "Broken.java" in said
    assert "Sdk.java" not in said


@pytest.mark.curl
def test_curl_words(server: Served, recording: Path) -> None:
    out = run(server, ["bash", EXAMPLES / "curl.sh", "--words", recording])
    assert out == "1\n00:00:00,200 --> 00:00:00,900\nGood morning.\n"
