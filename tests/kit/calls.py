"""Short forms of calls through the official Python clients, and raw ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dashscope
import openai
import requests

from kit.clients import MODEL_NAME, Served

KEY = "sk-any"
GENERATION = "/api/v1/services/aigc/multimodal-generation/generation"
CHAT = "/compatible-mode/v1/chat/completions"


def audio(data: str, **more: Any) -> list[Any]:
    """Messages of the OpenAI protocol with one audio."""
    return [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": data, **more}}]}]


def chat(server: Served, messages: list[Any], *, key: str = KEY, model: str = MODEL_NAME, **more: Any) -> Any:
    """A chat completion by the official client."""
    with openai.OpenAI(api_key=key, base_url=server.openai, max_retries=0) as client:
        return client.chat.completions.create(model=model, messages=messages, **more)


@contextmanager
def streaming(server: Served, messages: list[Any], **more: Any) -> Iterator[Any]:
    """A streamed chat completion by the official client."""
    with openai.OpenAI(api_key=KEY, base_url=server.openai, max_retries=0) as client:
        yield client.chat.completions.create(model=MODEL_NAME, messages=messages, stream=True, **more)


def native(server: Served, content: list[Any], *, key: str = KEY, model: str = MODEL_NAME, **more: Any) -> Any:
    """A generation by the official client; with `stream=True` the list of its responses."""
    dashscope.base_http_api_url = server.dashscope
    messages = [{"role": "user", "content": content}]
    reply = dashscope.MultiModalConversation.call(api_key=key, model=model, messages=messages, **more)
    return list(reply) if more.get("stream") else reply


def said(response: Any) -> str:
    """The text of one response of the DashScope client."""
    content = response.output.choices[0].message.content
    return str(content[0]["text"]) if content else ""


def post(server: Served, path: str, body: Any, **headers: str) -> requests.Response:
    """A raw request; a body that is no bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}", **headers}
    return requests.post(server.root + path, data=data, headers=sent, timeout=30)


def chat_body(data: str, **more: Any) -> dict[str, Any]:
    """The JSON body of a chat completion."""
    return {"model": MODEL_NAME, "messages": audio(data), **more}


def native_body(data: str, **parameters: Any) -> dict[str, Any]:
    """The JSON body of a generation."""
    messages = [{"role": "user", "content": [{"audio": data}]}]
    return {"model": MODEL_NAME, "input": {"messages": messages}, "parameters": parameters}


def message(response: requests.Response) -> str:
    """The sentence of an error in either shape."""
    body = response.json()
    return str((body.get("error") or body)["message"])
