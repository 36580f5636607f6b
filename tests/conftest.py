"""What every test may ask for, and the rule about missing parts.

A test that needs a system part names it by marker. Where the part is missing the test is left out and the
closing report says so; with REQUIRE_ALL=1 it fails instead, so that nothing is silently skipped.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from earwitness.weights.store import Store
from kit import services

REQUIRE_ALL = os.environ.get("REQUIRE_ALL") == "1"
SHARED = Path(os.environ.get("EARWITNESS_SHARED") or Path(__file__).parents[2] / "shared").resolve()
DATA = Path(__file__).parent / "data"
SOAK = os.environ.get("SOAK") == "1"
LEFT_OUT = "a part is missing: "
"""Begins the reason of a test that is skipped for a missing part."""

# Keys, uploads and ledgers of tests are not those of the user.
os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp(prefix="earwitness-data-")
atexit.register(shutil.rmtree, os.environ["XDG_DATA_HOME"], True)


def _models_there() -> bool:
    return all(Store(offline=True).present(name) for name in ("yamnet", "whisper-base", "swift-f0", "qwen-tokenizer"))


def _missing() -> dict[str, str]:
    """Marker -> what is missing and how to get it; only for parts that are not there."""
    checks = {
        "corpus": (
            (SHARED / "corpus" / "labels.jsonl").is_file(),
            f"no labelled recordings at {SHARED / 'corpus'} (EARWITNESS_SHARED)",
        ),
        "weights": (_models_there(), "model files are not in the cache: earwitness models pull"),
        "node": (bool(shutil.which("node") and shutil.which("npm")), "node and npm are not installed"),
        "curl": (bool(shutil.which("curl")), "curl is not installed"),
        "java": (bool(shutil.which("javac")), "no JDK is installed"),
        "torch": (
            all(importlib.util.find_spec(x) for x in ("torch", "transformers")),
            "torch and transformers are not installed: make qwen",
        ),
        "chromium": (
            bool(shutil.which("chromium") and importlib.util.find_spec("playwright")),
            "chromium (Debian) and playwright (PyPI) are not both installed",
        ),
        "ray": (bool(importlib.util.find_spec("ray")), "Ray is not installed: pip install 'earwitness[ray]'"),
        "ffmpeg": (bool(shutil.which("ffmpeg")), "the ffmpeg command is not installed"),
        "redis": (bool(shutil.which("redis-server")), "redis-server is not installed"),
        "postgres": (services.postgres_folder() is not None, "PostgreSQL is not installed"),
        "s3": (bool(importlib.util.find_spec("moto")), "moto is not installed: make dev"),
        "nginx": (bool(shutil.which("nginx")), "nginx is not installed"),
        "systemd": (bool(shutil.which("systemd-analyze")), "systemd-analyze is not installed"),
    }
    return {name: why for name, (there, why) in checks.items() if not there}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = _missing()
    for item in items:
        for name, why in missing.items():
            if item.get_closest_marker(name):
                if not REQUIRE_ALL:
                    item.add_marker(pytest.mark.skip(reason=f"{LEFT_OUT}{name}: {why}"))
                else:
                    item.user_properties.append(("missing", why))


def pytest_runtest_setup(item: pytest.Item) -> None:
    for name, why in item.user_properties:
        if name == "missing":
            pytest.fail(f"REQUIRE_ALL=1 and {why}", pytrace=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    # From reports, since with several processes none of them sees all tests.
    reasons = (str(report.longrepr) for report in terminalreporter.stats.get("skipped", []))
    left_out = Counter(reason.split(LEFT_OUT)[1].rstrip("')") for reason in reasons if LEFT_OUT in reason)
    if left_out:
        terminalreporter.section("left out")
        for what, count in sorted(left_out.items()):
            terminalreporter.line(f"{count} tests need {what}")


@pytest.fixture(scope="session")
def store() -> Store:
    """The model store of this machine; tests that use it carry the marker `weights`."""
    return Store()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of guides, corpus and the service's documentation; for tests marked `corpus`."""
    return SHARED


@pytest.fixture(scope="session")
def data() -> Path:
    """The small files in `tests/data`."""
    return DATA


@pytest.fixture(scope="session")
def redis_service() -> Iterator[services.Service]:
    """A Redis server; a test that ends it starts it again."""
    with services.folder() as folder, services.running(services.redis(folder)) as service:
        yield service


@pytest.fixture(scope="session")
def postgres_service() -> Iterator[services.Service]:
    """A PostgreSQL server; a test that ends it starts it again."""
    with services.folder() as folder, services.running(services.postgres(folder)) as service:
        yield service


@pytest.fixture(scope="session")
def s3_service() -> Iterator[services.Service]:
    """A server that speaks S3, with an empty bucket."""
    with services.folder() as folder, services.running(services.s3(folder)) as service:
        services.make_bucket(service)
        yield service
