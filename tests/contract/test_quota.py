"""Checks 47 and 48, and every refusal of quota (E3, E31 to E34, E37), as the official clients see them."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import openai
import pytest
import requests

from earwitness.accounting.books import Spent, Unwritten
from earwitness.intake import Intake
from earwitness.server.gate.limits import KeyLimits
from earwitness.server.gate.quota import Quota
from earwitness.server.options import ServerOptions
from kit.calls import CHAT, GENERATION, audio, chat, chat_body, message, native, native_body, post
from kit.clients import ALIAS, MODEL_NAME, Served, data_url, eventually, served, tone
from kit.echo import Echo

CLIP = data_url(tone(2.0))  # 33 tokens of prompt
BROKEN = data_url(b"this is no audio" * 50)
SSE = {"X-DashScope-SSE": "enable"}


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with keys; tests make theirs."""
    options = ServerOptions(models=(MODEL_NAME, ALIAS))
    with served(tmp_path_factory.mktemp("quota"), Echo(), options) as running:
        yield running


def key(server: Served, limits: KeyLimits) -> str:
    return server.exchange.keys.create(limits=limits)[1]


def both(server: Served, text: str, data: str = CLIP) -> tuple[requests.Response, requests.Response]:
    """The same asked for in both protocols, the second as a stream, which errors before must not become."""
    authorized = {"Authorization": f"Bearer {text}"}
    return (
        post(server, CHAT, chat_body(data), **authorized),
        post(server, GENERATION, native_body(data), **authorized, **SSE),
    )


@pytest.mark.parametrize("window_s", [4, pytest.param(60, marks=pytest.mark.slow)])
def test_47_and_48_requests_per_minute(keyed: Served, window_s: int) -> None:
    if window_s == 60 and os.environ.get("SOAK") != "1":
        window_s = 6  # a tenth
    keyed.exchange.quota = Quota(window_s=window_s)
    text = key(keyed, KeyLimits(requests_per_minute=1))
    assert chat(keyed, audio(CLIP), key=text).choices[0].message.content
    with pytest.raises(openai.RateLimitError) as refused:
        chat(keyed, audio(CLIP), key=text)
    assert refused.value.code == "limit_requests"
    assert 1 <= int(refused.value.response.headers["retry-after"]) <= 10
    assert refused.value.response.headers["x-ratelimit-limit-requests"] == "1"
    assert refused.value.response.headers["x-ratelimit-remaining-requests"] == "0"
    reply = native(keyed, [{"audio": CLIP}], key=text)
    assert (reply.status_code, reply.code) == (429, "Throttling.RateQuota")
    assert reply.message == "Requests rate limit exceeded, please try again later."
    assert "x-should-retry" not in refused.value.response.headers

    def passed() -> bool:
        try:
            return bool(chat(keyed, audio(CLIP), key=text).choices)
        except openai.RateLimitError:
            return False

    eventually(passed, 2.0 * window_s + 1)
    keyed.exchange.quota = Quota()


def test_a_client_that_waits_as_it_is_told_is_served(keyed: Served) -> None:
    keyed.exchange.quota = Quota(window_s=2)
    text = key(keyed, KeyLimits(requests_per_minute=1))
    with openai.OpenAI(api_key=text, base_url=keyed.openai, max_retries=2) as client:
        for _ in range(2):
            assert client.chat.completions.create(model=MODEL_NAME, messages=audio(CLIP)).choices
    keyed.exchange.quota = Quota()


def test_e32_tokens_per_minute(keyed: Served) -> None:
    text = key(keyed, KeyLimits(tokens_per_minute=100))
    first = post(keyed, CHAT, chat_body(CLIP), Authorization=f"Bearer {text}")
    told = first.json()["usage"]["completion_tokens"]
    assert first.headers["x-ratelimit-limit-tokens"] == "100"
    assert first.headers["x-ratelimit-remaining-tokens"] == "67"
    assert told > 1
    answers = [r for _ in range(2) for r in both(keyed, text)]
    refused = [r for r in answers if r.status_code == 429]
    assert len(refused) >= 3
    codes = {r.json().get("code") or r.json()["error"]["code"] for r in refused}
    assert codes <= {"insufficient_quota", "Throttling.AllocationQuota"}
    for reply in refused:
        assert message(reply) == "Allocated quota exceeded, please increase your quota limit."
        wait = reply.headers.get("retry-after")
        assert (wait is None) == (reply.headers.get("x-should-retry") == "false")
        assert wait is None or 1 <= int(wait) <= 10
    never = key(keyed, KeyLimits(tokens_per_minute=32))
    for reply in both(keyed, never):
        assert (reply.status_code, reply.headers["x-should-retry"]) == (429, "false")


def test_refused_requests_use_nothing_and_bad_ones_count_as_requests(keyed: Served) -> None:
    text = key(keyed, KeyLimits(requests_per_minute=4, tokens_per_minute=34))
    assert [r.status_code for r in both(keyed, text, data_url(tone(5.0)))] == [429, 429]
    authorized = {"Authorization": f"Bearer {text}"}
    assert post(keyed, CHAT, chat_body(BROKEN), **authorized).status_code == 400
    assert post(keyed, CHAT, b"no JSON", **authorized).status_code == 400
    good = post(keyed, CHAT, chat_body(CLIP), **authorized)
    assert good.status_code == 200
    assert good.headers["x-ratelimit-remaining-requests"] == "2"  # of four: bad audio, and this one


def test_e33_calls_of_one_key_at_once(tmp_path: Path) -> None:
    with served(tmp_path, Echo(hang_at=1, hang_s=60.0)) as server:
        text = key(server, KeyLimits(running=1))
        other = key(server, KeyLimits())
        body = chat_body(CLIP, stream=True)
        headers = {"Content-Type": "application/json", **_bearer(text)}
        slow = requests.post(server.root + CHAT, json=body, headers=headers, stream=True, timeout=60)
        eventually(lambda: server.engine.told == 1)
        server.engine.hang_at = None  # the others do not hang
        one, two = both(server, text)
        assert (one.status_code, one.json()["error"]["code"]) == (429, "limit_requests")
        assert (two.status_code, two.json()["code"]) == (429, "Throttling.Concurrency")
        for reply in (one, two):
            assert message(reply) == "Too many concurrent requests."
            assert 1 <= int(reply.headers["retry-after"]) <= 10
        assert post(server, CHAT, chat_body(CLIP), **_bearer(other)).status_code == 200
        slow.close()
        eventually(lambda: server.exchange.running == 0, 10)
        assert post(server, CHAT, chat_body(CLIP), **_bearer(text)).status_code == 200


def _bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


class Poor(Unwritten):
    """A ledger in which everybody has spent a dollar and a half."""

    async def spent(self, key: str) -> Spent:
        return Spent(1, 1_500_000_000)


def test_e34_the_budget(tmp_path: Path) -> None:
    with served(tmp_path, Echo(), books=Poor()) as server:
        poor, rich = key(server, KeyLimits(budget=Decimal("1.5"))), key(server, KeyLimits(budget=Decimal("1.51")))
        one, two = both(server, poor)
        assert (one.status_code, one.json()["error"]["type"], one.json()["error"]["code"]) == (400, *["Arrearage"] * 2)
        assert (two.status_code, two.json()["code"]) == (400, "Arrearage")
        assert message(one) == message(two) == "Access denied, please make sure your account is in good standing."
        assert [r.status_code for r in both(server, rich)] == [200, 200]
        assert server.engine.begun == 2


def test_e3_a_key_for_other_models(keyed: Served) -> None:
    text = key(keyed, KeyLimits(models=(ALIAS,)))
    one, two = both(keyed, text)
    assert (one.status_code, one.json()["error"]["code"]) == (403, "access_denied")
    assert (two.status_code, two.json()["code"]) == (403, "Model.AccessDenied")
    assert message(one) == message(two) == "Model access denied."
    certificate = f"{keyed.dashscope}/uploads?action=getPolicy&model={MODEL_NAME}"
    assert requests.get(certificate, headers=_bearer(text), timeout=5).status_code == 403
    body = {**chat_body(CLIP), "model": ALIAS}
    assert post(keyed, CHAT, body, **_bearer(text)).status_code == 200


def test_keys_take_turns_at_the_engine(tmp_path: Path) -> None:
    with served(tmp_path, Echo(pause_s=0.2), ServerOptions(at_once=1)) as server:
        many, few = key(server, KeyLimits()), key(server, KeyLimits())
        done: list[str] = []

        def call(text: str, name: str) -> None:
            if post(server, CHAT, chat_body(CLIP), **_bearer(text)).status_code == 200:
                done.append(name)

        threads = [threading.Thread(target=call, args=(many, "many")) for _ in range(9)]
        for thread in threads:
            thread.start()
        eventually(lambda: server.exchange.turns.waiting >= 5, 20)
        late = threading.Thread(target=call, args=(few, "few"))
        late.start()
        for thread in (*threads, late):
            thread.join()
        assert len(done) == 10
        assert done.index("few") < 7


def test_e37_a_turn_that_does_not_come(tmp_path: Path) -> None:
    options = ServerOptions(at_once=1, deadline_s=1.0, keep_alive_s=5.0)
    with served(tmp_path, Echo(hang_at=1, hang_s=60.0), options) as server:
        body = chat_body(CLIP, stream=True)
        slow = requests.post(server.root + CHAT, json=body, stream=True, timeout=60)
        one = post(server, CHAT, body)
        two = post(server, GENERATION, native_body(CLIP))
        assert (one.status_code, one.json()["error"]["code"]) == (500, "RequestTimeOut")
        assert (two.status_code, two.json()["code"]) == (500, "RequestTimeOut")
        assert one.headers["x-should-retry"] == two.headers["x-should-retry"] == "false"
        assert server.engine.begun == 1
        slow.close()
        eventually(lambda: server.exchange.running == 0, 10)


def test_a_full_house_refuses_at_once(tmp_path: Path) -> None:
    options = ServerOptions(running=3, at_once=1, keep_alive_s=0.2)
    with served(tmp_path, Echo(hang_at=1, hang_s=60.0), options) as server:
        body = chat_body(CLIP, stream=True)
        held = [requests.post(server.root + CHAT, json=body, stream=True, timeout=60) for _ in range(3)]
        assert server.exchange.running == 3
        replies = [post(server, CHAT, chat_body(CLIP)) for _ in range(3)]
        replies += [post(server, GENERATION, native_body(CLIP))]
        assert {(r.status_code, r.headers["retry-after"]) for r in replies} == {(429, "1")}
        for one in held:
            one.close()
        eventually(lambda: server.exchange.running == 0, 10)
        assert server.engine.begun <= 3


def test_metrics_count_what_happened(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        post(server, CHAT, chat_body(CLIP))
        post(server, GENERATION, native_body(CLIP), **SSE)
        assert post(server, CHAT, chat_body(BROKEN)).status_code == 400
        post(server, "/" + "x" * 50, {})
        text = requests.get(server.root + "/metrics", timeout=5).text
        for line in (
            'earwitness_calls_total{outcome="ok",protocol="openai"} 1.0',
            'earwitness_calls_total{outcome="ok",protocol="dashscope"} 1.0',
            'earwitness_calls_total{outcome="NotAudio.not_audio",protocol="openai"} 1.0',
            'earwitness_requests_total{route="/compatible-mode/v1/chat/completions",status="400"} 1.0',
            'earwitness_requests_total{route="none",status="404"} 1.0',
            'earwitness_tokens_total{kind="audio"} 50.0',
            "earwitness_audio_seconds_total 4.0",
            'earwitness_stage_seconds_count{stage="hear"} 2.0',
            "earwitness_running 0.0",
            "earwitness_waiting 0.0",
        ):
            assert line in text.splitlines(), line
        assert "xxxx" not in text
        for name in ("X-Forwarded-For", "Forwarded", "Via"):
            assert requests.get(server.root + "/metrics", headers={name: "1.2.3.4"}, timeout=5).status_code == 403


def test_metrics_with_a_token(tmp_path: Path) -> None:
    with served(tmp_path, options=ServerOptions(metrics_token="of the scraper")) as server:
        assert requests.get(server.root + "/metrics", timeout=5).status_code == 403
        for given, status in (("of the scraper", 200), ("another", 403)):
            assert requests.get(server.root + "/metrics", headers=_bearer(given), timeout=5).status_code == status


def test_server_timing_names_the_stages(keyed: Served) -> None:
    text = key(keyed, KeyLimits())
    whole = post(keyed, CHAT, chat_body(CLIP), **_bearer(text)).headers["server-timing"]
    assert [part.partition(";")[0] for part in whole.split(", ")] == ["open", "queue", "hear"]
    streamed = post(keyed, CHAT, chat_body(CLIP, stream=True), **_bearer(text)).headers["server-timing"]
    assert [part.partition(";")[0] for part in streamed.split(", ")][:2] == ["open", "queue"]


def test_the_pulse_notes_the_engine_and_deaths_of_the_decoder(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        intake = server.exchange.captioner.intake
        assert isinstance(intake, Intake)
        assert post(server, CHAT, chat_body(CLIP)).status_code == 200
        assert intake.decoder.pid is not None
        os.kill(intake.decoder.pid, signal.SIGKILL)
        eventually(lambda: intake.decoder.pid is None, 5)
        assert intake.decoder.deaths == 0  # nothing was being decoded
        intake.decoder.deaths = 2

        async def once() -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await server.exchange.pulse(0.01)

        asyncio.run(once())
        text = server.exchange.metrics.text()
        assert b'earwitness_engine_state{state="ready"} 1.0' in text
        assert b'earwitness_worker_deaths_total{kind="decoder"} 2.0' in text
