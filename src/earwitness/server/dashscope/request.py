"""From a body of the DashScope protocol to what is asked. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from earwitness.errors import BadRequest
from earwitness.server import ask as asking
from earwitness.server.ask import Ask, Found

LARGEST_SEED = 2**63 - 1


@dataclass(frozen=True, slots=True)
class GenerationAsk:
    """A generation, asked for: the caption, and whether a stream brings what is new or all of it so far."""

    ask: Ask
    incremental: bool


def read(
    body: dict[str, Any],
    models: tuple[str, ...],
    owner: str,
    resolves_uploads: bool,
    cut: tuple[str, bytes] | None = None,
) -> GenerationAsk:
    """What the body asks for. Keys that are not known are passed over.

    Args:
        body: the JSON object.
        models: the names that are served.
        owner: whose uploads may be named.
        resolves_uploads: whether the header that makes `oss://` resolve was sent.
        cut: what stands for the audio of the data URL, and that audio, where it was cut out of the body.

    Raises:
        BadRequest: what the service refuses too, with the field where it is known.
    """
    model = asking.known_model(body.get("model"), models)
    given = body.get("input")
    if given is None:
        raise BadRequest("Required input parameter missing from request.", code="input_missing", field="input")
    parameters = body.get("parameters")
    if parameters is None:
        parameters = {}
    if not isinstance(given, dict) or not isinstance(parameters, dict):
        raise BadRequest("Required body invalid, please check the request body format.", code="invalid_body")
    asking.refuse_others(parameters)
    wanted = asking.wanted(parameters.get("earwitness"))
    options = asking.options(parameters, LARGEST_SEED)
    found = asking.messages(given.get("messages"), _content)
    return GenerationAsk(
        ask=Ask(
            model=model,
            source=asking.source(found.one(), owner, resolves_uploads, cut),
            options=options,
            wanted=wanted,
            ignored=tuple(found.ignored),
            protocol="dashscope",
        ),
        incremental=parameters.get("incremental_output") is True,
    )


def _content(content: Any, found: Found) -> None:
    if isinstance(content, str):
        found.ignore("text")
        return
    if not isinstance(content, list):
        raise _unknown()
    for item in content:
        _item(item, found)


def _item(item: Any, found: Found) -> None:
    if not isinstance(item, dict):
        raise _unknown()
    for kind in ("image", "video"):
        if item.get(kind) is not None:
            raise BadRequest(
                f"The item of content should be a message of a certain modal. This model takes no {kind}.",
                code="unsupported_part",
                field="messages",
            )
    audio = item.get("audio")
    if isinstance(audio, list):
        if not all(isinstance(one, str) for one in audio):
            raise _unknown()
        found.audios.extend(audio)
    elif isinstance(audio, str):
        found.audios.append(audio)
    elif audio is not None or not isinstance(item.get("text"), str):
        raise _unknown()
    if isinstance(item.get("text"), str):
        found.ignore("text")


def _unknown() -> BadRequest:
    return BadRequest(
        "The item of content should be a message of a certain modal.", code="unknown_part", field="messages"
    )
