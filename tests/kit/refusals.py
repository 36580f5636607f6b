"""What is refused, in both protocols: the documented sentences, and how a refusal must look."""

from __future__ import annotations

import requests

from kit.calls import CHAT, GENERATION, chat_body, message, native_body, post
from kit.clients import Served

URL = "The provided URL does not appear to be valid. Ensure it is correctly formatted."
DOWNLOAD = "Unable to download the media resource during the data inspection process."
MISSING = "Failed to find the requested media resource during the data inspection process."
DENIED = "Don't have authorization to access the media resource during the data inspection process."
SLOW = "Download the media resource timed out during the data inspection process."
FORMAT = "The audio format is illegal and cannot be opened."
BODY = "Required body invalid, please check the request body format."


def both(server: Served, data: str) -> tuple[requests.Response, requests.Response]:
    """The same audio asked for in both protocols, the second as a stream, which errors before must not become."""
    sse = {"X-DashScope-SSE": "enable"}
    return post(server, CHAT, chat_body(data)), post(server, GENERATION, native_body(data), **sse)


def refused(server: Served, data: str, sentence: str, native_code: str = "InvalidParameter", status: int = 400) -> None:
    ours, theirs = both(server, data)
    assert (ours.status_code, theirs.status_code) == (status, status)
    assert message(ours) == message(theirs) == sentence
    assert ours.json()["error"]["code"] == "invalid_parameter_error"
    assert ours.json()["error"]["type"] == "invalid_request_error"
    assert theirs.json()["code"] == native_code
    for reply in (ours, theirs):
        assert reply.headers["content-type"] == "application/json"
        assert reply.json()["request_id"] == reply.headers["x-request-id"]
