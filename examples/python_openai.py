"""Captions one recording through the OpenAI client: `pip install openai`.

    python examples/python_openai.py https://example.com/birds.mp3     the server fetches it
    python examples/python_openai.py birds.mp3                         a file, sent as base64 (below 7.8 MB)
    python examples/python_openai.py --stream birds.mp3                words as they are found
    python examples/python_openai.py --why birds.mp3                   and what each sentence rests on

The server is the one of OPENAI_BASE_URL, else http://127.0.0.1:8000/v1. A server without keys takes any key.
"""

from __future__ import annotations

import argparse
import base64
import os
from pathlib import Path
from typing import Any

from openai import OpenAI

MODEL = "qwen3-omni-30b-a3b-captioner"


def audio(given: str) -> str:
    """What the protocol calls `data`: an address as it is, a file as a data URL."""
    if given.startswith(("http://", "https://")):
        return given
    return "data:;base64," + base64.b64encode(Path(given).read_bytes()).decode()


def messages(given: str) -> list[Any]:
    """One user message with one audio; nothing else has an effect."""
    return [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": audio(given)}}]}]


def whole(client: OpenAI, given: str) -> None:
    reply = client.chat.completions.create(model=MODEL, messages=messages(given))
    print(reply.choices[0].message.content)
    if reply.usage:
        print(f"({reply.usage.prompt_tokens} tokens in, {reply.usage.completion_tokens} out)")


def stream(client: OpenAI, given: str) -> None:
    chunks = client.chat.completions.create(model=MODEL, messages=messages(given), stream=True)
    for chunk in chunks:
        if chunk.choices and chunk.choices[0].delta.content:
            print(chunk.choices[0].delta.content, end="", flush=True)
    print()


def why(client: OpenAI, given: str) -> None:
    """The server's extension: notes, and for each sentence the ids of those it rests on."""
    wanted = {"earwitness": {"evidence": True, "timeline": True}}
    reply = client.chat.completions.create(model=MODEL, messages=messages(given), extra_body=wanted)
    told = (reply.model_extra or {})["earwitness"]
    notes = {note["id"]: note for note in told["notes"]}
    for sentence in told["sentences"]:
        print(sentence["text"])
        for name in sentence["because"]:
            note = notes[name]
            print(f"    {note['start']:6.2f} to {note['end']:.2f} s  {note['kind']}: {note['label']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("audio", help="a path, or an http(s) address")
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--why", action="store_true")
    chosen = parser.parse_args()
    base = os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")
    client = OpenAI(base_url=base, api_key=os.environ.get("OPENAI_API_KEY", "any"))
    do = why if chosen.why else stream if chosen.stream else whole
    do(client, chosen.audio)


if __name__ == "__main__":
    main()
