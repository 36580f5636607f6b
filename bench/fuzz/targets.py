"""What is fuzzed: functions of bytes that may raise our own errors and nothing else, with what must hold besides."""

from __future__ import annotations

import base64
import importlib.util
import ipaddress
import json
import sys
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from yarl import URL

from earwitness import plain
from earwitness.cli import terminal
from earwitness.errors import EarwitnessError, Unreachable
from earwitness.intake import fetch, inline, limits, result
from earwitness.intake.address import Address, judge, public, read
from earwitness.scene.writer.phrase import Quote
from earwitness.scene.writer.realise import quote
from earwitness.server import body
from earwitness.server.dashscope import reply as dashscope_reply
from earwitness.server.dashscope import request as dashscope_request
from earwitness.server.dashscope.uploads import Form
from earwitness.server.gate import origin
from earwitness.server.log import clean
from earwitness.server.openai import reply as openai_reply
from earwitness.server.openai import request as openai_request
from earwitness.server.options import MODEL
from earwitness.source import InlineSource, UrlSource

LIMIT = 4_000
CALL_ID = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Target:
    """One place: what runs, inputs to begin with, and words of its language."""

    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    words: tuple[str, ...] = ()


def text_of(data: bytes) -> str:
    """Any text that a caller of the Python API could pass, lone surrogates included."""
    return data.decode("utf-8", "surrogateescape")


def data_url(data: bytes) -> None:
    """A data URL is refused, or gives exactly the bytes that its base64 says."""
    try:
        source = inline.data_url(text_of(data), LIMIT)
        assert isinstance(source.data, str)
        got = inline.decode(source.data, LIMIT)
    except EarwitnessError:
        return
    sent = "".join(source.data.split()).rstrip("=")
    assert base64.b64encode(got).decode().rstrip("=")[: len(sent) - 1] == sent[:-1]
    assert 0 < len(got) <= LIMIT


def address(data: bytes) -> None:
    """What passes is one public host on which every parser agrees, and passes again as it is sent."""
    try:
        found = read(text_of(data))
    except EarwitnessError:
        return
    sent = str(found.url)
    assert sent.isascii()
    assert sent.isprintable()
    assert " " not in sent
    other = urllib.parse.urlsplit(sent)
    assert (other.hostname or "").rstrip(".") == found.host
    assert (other.port or {"http": 80, "https": 443}[other.scheme]) == found.port
    assert other.username is None
    assert other.password is None
    again = read(sent)
    assert (again.host, again.port, str(again.url)) == (found.host, found.port, sent)
    if found.ip is not None:
        assert judged(found, str(found.ip)) == public(found.ip)


def judged(found: Address, answer: str) -> bool:
    """Whether the address is fetched; what a library calls not global never is."""
    try:
        judge(found, [answer], ())
    except EarwitnessError:
        return False
    ip = ipaddress.ip_address(answer)
    assert ip.is_global
    assert not any((ip.is_private, ip.is_loopback, ip.is_link_local, ip.is_multicast, ip.is_unspecified))
    return True


def answers(data: bytes) -> None:
    """What a resolver may say: only texts of public addresses are connected to."""
    judged(Address(URL("http://a.example/"), "a.example", 80, None), text_of(data))


def redirect(data: bytes) -> None:
    """Where a redirect leads is read like a first address, or refused."""
    fetcher = fetch.Fetcher(limits.Limits())
    here = read("http://a.example/b/c?d")
    response: Any = SimpleNamespace(headers={"Location": data.decode("latin-1")}, status=302)
    try:
        found = fetcher._next(here, response)
    except EarwitnessError:
        return
    address(str(found.url).encode())


def openai_body(data: bytes) -> None:
    """A body of the OpenAI protocol is an ask or an error that can be answered."""
    _body(data, openai_request.read, openai_reply.refusal)


def dashscope_body(data: bytes) -> None:
    """A body of the DashScope protocol is an ask or an error that can be answered."""
    _body(data, dashscope_request.read, dashscope_reply.refusal)


def _body(data: bytes, reader: Callable[..., Any], refusal: Callable[..., Any]) -> None:
    try:
        parsed = body.parse_now(data, LIMIT)
        asked = reader(parsed.tree, (MODEL,), "nobody", True, parsed.cut)
    except EarwitnessError as error:
        reply = refusal(error, CALL_ID)
        assert 400 <= reply.status < 500
        json.loads(reply.body)
        return
    source = (asked if hasattr(asked, "source") else asked.ask).source
    if isinstance(source, UrlSource):
        address(source.url.encode("utf-8", "surrogatepass"))
    elif isinstance(source, InlineSource) and isinstance(source.data, str):
        data_url(b"data:;base64," + source.data.encode("utf-8", "surrogatepass"))


def cut(data: bytes) -> None:
    """Cutting the base64 out of a body changes nothing of what it says."""
    before = body.LARGE
    body.LARGE = 8
    try:
        quick, plainly = _parsed(data, LIMIT), _parsed(data, 0)
    finally:
        body.LARGE = before
    if isinstance(quick, body.Body) and quick.cut is not None:
        place, audio = quick.cut
        if isinstance(plainly, body.Body):
            whole = json.dumps(plainly.tree)
            found = json.dumps(quick.tree).replace(place, base64.b64encode(audio).decode(), 1)
            assert found == whole or place in whole
        else:
            assert plainly is None
    elif isinstance(quick, body.Body) and isinstance(plainly, body.Body):
        assert repr(quick.tree) == repr(plainly.tree)


def _parsed(data: bytes, limit: int) -> body.Body | None:
    try:
        return body.parse_now(data, limit)
    except EarwitnessError:
        return None


def form(data: bytes) -> None:
    """A multipart form, in pieces of odd sizes."""

    class File:
        def write(self, block: bytes) -> None:
            assert block

    parsed = Form(b"xYx", lambda _: File())  # type: ignore[arg-type, return-value]
    try:
        for at in range(0, len(data), 7):
            parsed.feed(data[at : at + 7])
        parsed.end()
    except EarwitnessError:
        return


def order(data: bytes) -> None:
    """An order to the template is one of ours, or none."""
    found = worker().read_order(data)
    assert found is None or (isinstance(found["id"], int) and found["do"] in ("decode", "behind", "kill"))


def worker() -> ModuleType:
    """The child side of decoding, loaded by path as it is in life."""
    if "earwitness_worker" not in sys.modules:
        path = Path(result.__file__).with_name("worker.py")
        spec = importlib.util.spec_from_file_location("earwitness_worker", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["earwitness_worker"] = module
        spec.loader.exec_module(module)
    return sys.modules["earwitness_worker"]


def line(data: bytes) -> None:
    """A child's line and the file of its profile make a profile of the shape that they say, or an error."""
    head, _, rest = data.partition(b"\n")
    try:
        said = result.read_line(head + b"\n")
        if isinstance(said, result.Refused):
            raised: EarwitnessError = result.refusal(said, limits.Limits())
            assert raised.message.isprintable()
            return
        assert said.container.isprintable()
        assert said.pcm <= said.samples * 16 + 1
        profile = result.read_profile(rest, said)
    except EarwitnessError:
        return
    assert profile.rms_dbfs.shape == (said.channels, said.blocks)


def unfold(data: bytes) -> None:
    """A compressed body unfolds in bounded pieces, or is called broken."""
    for name in ("gzip", "deflate"):
        unpack = fetch.unpacker([name])
        try:
            assert all(0 < len(piece) <= fetch.BLOCK for piece in unpack.feed(data))
            unpack.finish()
        except Unreachable:
            continue


def words(data: bytes) -> None:
    """What was said, and what files are called: shown, quoted and logged without being obeyed."""
    text = text_of(data)
    said = quote(Quote(plain.text(text), None))
    assert not set(said[1:-1]) & set('"“”„‟«»\n\x1b\x00')
    called = terminal.called(text)
    assert "\n" not in called
    assert not plain.UNSAFE.search(called)
    assert not plain.UNSAFE.search(terminal.as_json({"text": text}))
    assert isinstance(clean(text), str)


def hosts(data: bytes) -> None:
    """Names and origins that a server without keys answers are its own."""
    host, _, foreign = data.decode("latin-1").partition("\n")
    headers = {"host": host, **({"origin": foreign} if foreign else {})}
    if origin.refused(headers, "http", "192.0.2.7", ("ears.lan",), ()) is None:
        assert not set(host) & set("@,/\\?# \t%")
        name = urllib.parse.urlsplit(f"//{host}").hostname or ""
        assert host.lower().removesuffix(name).strip("[]") == "" or host.lower().strip("[").startswith(name)
        local = name in ("localhost", "ears.lan", "192.0.2.7")
        assert local or ipaddress.ip_address(name).is_loopback
        assert not foreign or foreign.lower() == f"http://{host}".lower()


CHAT = {
    "model": MODEL,
    "messages": [
        {"role": "system", "content": "x"},
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "https://a.example/b.wav"}}]},
    ],
    "stream": True,
    "stream_options": {"include_usage": True},
    "max_tokens": 5,
    "stop": ["x"],
    "earwitness": {"evidence": True},
}
NATIVE = {
    "model": MODEL,
    "input": {"messages": [{"role": "user", "content": [{"audio": "data:;base64,UklGRg=="}, {"text": "x"}]}]},
    "parameters": {"temperature": 0.5, "seed": 7, "incremental_output": True},
}
FORM = (
    b'--xYx\r\nContent-Disposition: form-data; name="key"\r\n\r\nv\r\n--xYx\r\nContent-Disposition: form-data; '
    b'name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n--xYx--\r\n'
)
TOLD = {
    "container": "wav", "codec": "pcm_s16le", "sample_rate": 16000, "channels": 1, "layout": "mono", "bit_depth": 16,
    "samples": 1600, "size_bytes": 3244, "pcm": 1600, "problems": [], "blocks": 1, "seconds": 1, "bins": 2,
    "true_peak_dbfs": -6.0, "zero_runs": [[0.0, 0.1]], "sha256": "0" * 64,
}  # fmt: skip
JSON_WORDS = (
    "null",
    "true",
    "1e999",
    "-0",
    "\\ud800",
    "\\u0000",
    '"type"',
    '"text"',
    '"role"',
    '"content"',
    "[[",
    "{}",
)
URL_WORDS = (
    "http://",
    "https://",
    "127.0.0.1",
    "[::1]",
    "localhost",
    "@",
    "%40",
    "\\",
    "#",
    "..",
    "xn--",
    "0x7f",
    "。",
)


ORDER = {
    "do": "decode",
    "id": 1,
    "max_seconds": 1,
    "decoded_bytes": 1,
    "memory": 1,
    "cpu_s": 1,
    "idle_cpu_s": 1,
    "file_bytes": 1,
    "sha256": "",
}


def _json(tree: object) -> bytes:
    return json.dumps(tree).encode()


TARGETS: dict[str, Target] = {
    "data_url": Target(
        data_url, (b"data:audio/wav;base64,UklGRg==", b"DATA:;base64,AA\nAA"), ("base64,", "data:", ";")
    ),
    "address": Target(
        address,
        (
            b"http://a.example:8080/b?c=d#e",
            "https://bücher.example/ä b".encode(),
            b"http://[2606:4700::1111]/",
            b"http://8.8.8.8/",
        ),
        URL_WORDS,
    ),
    "answers": Target(
        answers, (b"8.8.8.8", b"2606:4700::1", b"::ffff:1.2.3.4", b"fe80::1%lo"), ("::", "64:ff9b::", "%")
    ),
    "redirect": Target(redirect, (b"/x", b"//b.example/", b"https://b.example/y?z", b"?q", b"../../a"), URL_WORDS),
    "openai_body": Target(openai_body, (_json(CHAT), _json({"model": MODEL, "messages": []})), JSON_WORDS),
    "dashscope_body": Target(dashscope_body, (_json(NATIVE), _json({"model": MODEL, "input": {}})), JSON_WORDS),
    "cut": Target(
        cut,
        (b'{"a":"data:audio/wav;base64,UklGRlVWV1hZWg=="}', b'{"a;base64,AAAAAAAAAAAAAAAA":1}'),
        ('";base64,"', "AAAA"),
    ),
    "form": Target(form, (FORM,), ("--xYx", "\\x0d\\x0a", "name=", "filename=")),
    "order": Target(
        order,
        (b'{"do":"kill","id":1}', _json(ORDER)),
        ('"do"', '"id"', "behind"),
    ),
    "line": Target(
        line,
        (
            _json(TOLD) + b"\n" + bytes(52),
            b'{"error": "not_audio", "detail": "it has no audio track", "found": "text"}\n',
        ),
        tuple(f'"{name}"' for name in TOLD),
    ),
    "unfold": Target(unfold, (base64.b64decode("H4sIAAAAAAACA0tMBgDWBDQTAgAAAA=="), b"x\x9cKL\x06\x00\x01%\x00\xc5")),
    "words": Target(
        words,
        ("He said “no” \x1b[31m".encode(), b"https://a:b@c.example/d?Signature=e"),
        ("\\x1b[", "</s>", "<|im_end|>"),
    ),
    "hosts": Target(
        hosts, (b"localhost:80\nhttp://localhost:80", b"[::1]:9", b"ears.lan"), ("127.0.0.1", "http://", "\\x0a")
    ),
}
"""Name -> target."""
