"""What operators count: Prometheus metrics of one server, also where it is several processes.

Several processes write into the folder that `PROMETHEUS_MULTIPROC_DIR` names (the supervisor of `--workers` sets it
before they start), and whoever is asked adds all of them up. Labels have few values by construction: routes, stages,
names of errors and flags, never anything that a caller wrote.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from earwitness.accounting.books import Outcome
from earwitness.engine import State
from earwitness.server.traces import NOBODY, Trace

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

QUICK_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """The metrics of one process. Several may live beside each other (tests do that): each has its own registry."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        at = self._registry
        self.requests = Counter(
            "earwitness_requests", "Answers by route and HTTP status.", ["route", "status"], registry=at
        )
        self.request_seconds = Histogram(
            "earwitness_request_seconds",
            "Time of an answer, to its last byte.",
            ["route"],
            buckets=QUICK_S,
            registry=at,
        )
        self._calls = Counter(
            "earwitness_calls", "Captions by protocol and how they ended.", ["protocol", "outcome"], registry=at
        )
        self._stages = Histogram(
            "earwitness_stage_seconds",
            "Time of a caption by stage: open (obtain and decode), queue (wait for a turn), hear.",
            ["stage"],
            buckets=QUICK_S,
            registry=at,
        )
        self._audio = Counter("earwitness_audio_seconds", "Seconds of audio that were captioned.", registry=at)
        self._tokens = Counter("earwitness_tokens", "Tokens of captions.", ["kind"], registry=at)
        self.cost = Counter("earwitness_cost", "Price of captions, in the currency of the price list.", registry=at)
        self._flags = Counter("earwitness_flags", "Flags raised by what was heard.", ["flag"], registry=at)
        self._cut = Counter(
            "earwitness_cut",
            "Captions that ended early: repetition (a model repeated itself), upstream (it heard only a part).",
            ["why"],
            registry=at,
        )
        self.running = _gauge("earwitness_running", "Calls in the house now.", at)
        self.waiting = _gauge("earwitness_waiting", "Calls that wait for their turn at the engine now.", at)
        self.redis_away = _gauge("earwitness_redis_away", "Processes that count without Redis now.", at)
        self._state = Gauge(
            "earwitness_engine_state",
            "Processes whose engine is in this state now.",
            ["state"],
            multiprocess_mode="livesum",
            registry=at,
        )
        self.deaths = Counter(
            "earwitness_worker_deaths", "Processes that died: decoder, server.", ["kind"], registry=at
        )

    def engine(self, state: State) -> None:
        """Notes the engine's state."""
        for name in get_args(State):
            self._state.labels(name).set(name == state)

    def call(self, protocol: str, outcome: Outcome | None, flags: Iterable[str] = (), cut: Iterable[str] = ()) -> None:
        """Counts a caption that has ended, whatever came of it."""
        if outcome is None:
            return
        self._calls.labels(protocol or "none", outcome.error or outcome.status).inc()
        if outcome.status == "failed":
            return
        self._audio.inc(outcome.audio_s)
        self._tokens.labels("audio").inc(outcome.usage.audio_tokens)
        self._tokens.labels("text").inc(outcome.usage.text_tokens)
        self._tokens.labels("completion").inc(outcome.usage.completion_tokens)
        for flag in flags:
            self._flags.labels(flag).inc()
        for why in cut:
            self._cut.labels(why).inc()

    def stages(self, stages: Stages) -> None:
        """Counts how long each stage took."""
        for name, seconds in stages.took.items():
            self._stages.labels(name).observe(seconds)

    def text(self) -> bytes:
        """All of it in Prometheus' text format; of all processes where there are several."""
        if not os.environ.get(FOLDER):
            return generate_latest(self._registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)


def _gauge(name: str, about: str, registry: CollectorRegistry) -> Gauge:
    return Gauge(name, about, multiprocess_mode="livesum", registry=registry)


class Stages:
    """How long each stage of one call took, in seconds; each is a span of the call's trace too."""

    def __init__(self, trace: Trace = NOBODY) -> None:
        self.took: dict[str, float] = {}
        self._trace = trace

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times one stage; what happens more than once adds up."""
        begun = time.perf_counter()
        try:
            with self._trace.child(name):
                yield
        finally:
            self.took[name] = self.took.get(name, 0.0) + time.perf_counter() - begun

    @property
    def header(self) -> str:
        """`Server-Timing`: stages in milliseconds."""
        return ", ".join(f"{name};dur={1000 * seconds:.1f}" for name, seconds in self.took.items())
