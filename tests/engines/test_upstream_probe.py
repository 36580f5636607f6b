"""What the probe finds out about servers that count right, cut in silence, speak another dialect, or are not there."""

from __future__ import annotations

import base64
import json

import pytest
from aiohttp import web
from click.testing import CliRunner

from earwitness.cli.doctor import command
from earwitness.engines.options import UpstreamOptions
from earwitness.engines.upstream_probe import probe, wanted
from kit.upstreams import Handler, stream, upstream


def counting(longest_s: float, dialect: str = "input_audio") -> Handler:
    """A server that hears `longest_s` seconds at the most and says how many prompt tokens it made."""

    async def answer(request: web.Request) -> web.StreamResponse:
        part = (await request.json())["messages"][0]["content"][0]
        if part["type"] != dialect:
            return web.Response(status=400)
        said = part[dialect]["data" if dialect == "input_audio" else "url"].rpartition(",")[2]
        seconds = (len(base64.b64decode(said)) - 44) / 32_000
        end = {"choices": [{"delta": {"content": "x"}, "finish_reason": "length"}]}
        usage = {"prompt_tokens": wanted(min(seconds, longest_s)), "completion_tokens": 1}
        return await stream(request, [end, {"choices": [], "usage": usage}])

    return answer


def test_what_the_model_makes_of_it() -> None:
    assert [wanted(2.0), wanted(31.0)] == [36, 413]


async def test_a_server_that_hears_it_all() -> None:
    async with upstream(counting(3600)) as server:
        (found,) = await probe(UpstreamOptions(urls=(server.url,)))
    assert (found.dialect, found.short, found.long, found.cut) == ("openai", 36, 413, False)


async def test_a_silent_cut_at_30_s() -> None:
    async with upstream(counting(30)) as server:
        (found,) = await probe(UpstreamOptions(urls=(server.url,)))
    assert (found.long, found.cut) == (400, True)


async def test_another_dialect_is_found() -> None:
    async with upstream(counting(3600, "audio_url")) as server:
        (found,) = await probe(UpstreamOptions(urls=(server.url,)))
    assert (found.dialect, found.cut) == ("audio_url", False)


@pytest.mark.timeout(30)
def test_the_doctor_says_what_is_wrong(unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/v1"
    done = CliRunner().invoke(command, ["--json", "--upstream", url], standalone_mode=False)
    found = json.loads(done.output)
    assert found["healthy"] is False
    assert "cannot be reached" in found["findings"][0]["says"]
    assert done.return_value == 1
