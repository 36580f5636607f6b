"""Captions one recording through the DashScope client: `pip install dashscope`.

    python examples/python_dashscope.py https://example.com/birds.mp3  the server fetches it
    python examples/python_dashscope.py birds.mp3                      a file: the client uploads it first (below 10 MB)
    python examples/python_dashscope.py --base64 birds.mp3             a file within the call
    python examples/python_dashscope.py --stream birds.mp3             words as they are found

The server is the one of DASHSCOPE_HTTP_BASE_URL, else http://127.0.0.1:8000/api/v1. It is set for the whole client and
not for one call, since the upload of a file goes to the client's own address: the cloud, where that was not changed.
"""

from __future__ import annotations

import argparse
import base64
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dashscope

MODEL = "qwen3-omni-30b-a3b-captioner"


def audio(given: str, inline: bool) -> str:
    """What the protocol calls `audio`: an address, `file://` and a path, or a data URL."""
    if given.startswith(("http://", "https://")):
        return given
    path = Path(given).resolve()
    if inline:
        return "data:;base64," + base64.b64encode(path.read_bytes()).decode()
    return f"file://{quote(str(path))}"  # the client undoes the quoting, and would take a plus sign for a blank


def text(reply: Any) -> str:
    """The words of one answer, or of one event of a stream, whose last one holds none.

    The client raises nothing when the server refuses: `status_code` says it.
    """
    if reply.status_code != 200:
        sys.exit(f"{reply.status_code} {reply.code}: {reply.message}")
    content = reply.output.choices[0].message.content
    return str(content[0]["text"]) if content else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("audio", help="a path, or an http(s) address")
    parser.add_argument("--base64", action="store_true", help="send a file within the call")
    parser.add_argument("--stream", action="store_true")
    chosen = parser.parse_args()
    dashscope.base_http_api_url = os.environ.get("DASHSCOPE_HTTP_BASE_URL", "http://127.0.0.1:8000/api/v1")
    call: dict[str, Any] = {
        "api_key": os.environ.get("DASHSCOPE_API_KEY", "any"),
        "model": MODEL,
        "messages": [{"role": "user", "content": [{"audio": audio(chosen.audio, chosen.base64)}]}],
    }
    if chosen.stream:  # incremental: each event holds what is new, not all so far
        for event in dashscope.MultiModalConversation.call(**call, stream=True, incremental_output=True):
            print(text(event), end="", flush=True)
        print()
    else:
        print(text(dashscope.MultiModalConversation.call(**call)))


if __name__ == "__main__":
    main()
