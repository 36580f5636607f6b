"""What a caller asks, in the terms that both protocols share; pure functions, no HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from earwitness.caption import Options, Sampling
from earwitness.errors import BadRequest
from earwitness.intake.inline import data_url
from earwitness.render.record import Wanted
from earwitness.source import InlineSource, Source, UploadSource, UrlSource

MAX_TOKENS = 32_768
"""Most output tokens that a caller may ask for."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One caption, asked for.

    model: the name as the caller wrote it. wanted: the switches of the extension, None where it was not asked
    for. ignored: what the call held that has no effect, for `X-Earwitness-Ignored`. protocol: by whose rules it was
    asked, for the ledger.
    """

    model: str
    source: Source
    options: Options
    wanted: Wanted | None = None
    ignored: tuple[str, ...] = ()
    protocol: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """The header that names what had no effect; none where all had."""
        return {"x-earwitness-ignored": ",".join(self.ignored)} if self.ignored else {}


@dataclass(slots=True)
class Found:
    """What reading the messages came upon."""

    audios: list[str | tuple[str, str]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def ignore(self, what: str) -> None:
        if what not in self.ignored:
            self.ignored.append(what)

    def one(self) -> str | tuple[str, str]:
        """The only audio: a reference, or (bare base64, its format).

        Raises:
            BadRequest: none, or more than one.
        """
        if not self.audios:
            raise BadRequest(
                "This model takes exactly one audio and the request has none.", code="no_audio", field="messages"
            )
        if len(self.audios) > 1:
            count = len(self.audios)
            raise BadRequest(
                f"This model takes exactly one audio and the request has {count}.", code="many_audios", field="messages"
            )
        return self.audios[0]


def messages(given: Any, read: Callable[[Any, Found], None]) -> Found:
    """What is in the messages: the audio of the user's, and what has no effect.

    Args:
        given: the list from the wire.
        read: takes the content of one user message to pieces, in the protocol's own form.

    Raises:
        BadRequest: no list, an empty one, or none from the user; and what `read` raises.
    """
    if given is None:
        raise BadRequest('Either "prompt" or "messages" must exist and cannot both be none', code="messages_missing")
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise BadRequest("Required body invalid, please check the request body format.", code="invalid_body")
    if not given:
        raise BadRequest("[] is too short - 'messages'", code="messages_empty", field="messages")
    found = Found()
    for one in given:
        role = one.get("role")
        if role == "user":
            read(one.get("content"), found)
        else:
            found.ignore(role if role in ("system", "developer", "assistant", "tool") else "other")
    if not any(one.get("role") == "user" for one in given):
        raise BadRequest(
            "The input messages do not contain elements with the role of user.",
            code="no_user_message",
            field="messages",
        )
    return found


def source(
    audio: str | tuple[str, str], owner: str, resolves_uploads: bool, cut: tuple[str, bytes] | None = None
) -> Source:
    """The source that a reference names: an address, a data URL, an upload, or bare base64 with its format.

    `cut`: what stands for the audio of the data URL, and that audio, where it was decoded already.

    Raises:
        BadRequest: the form is none of these (also for paths and `file://`: a server opens no files of its own).
    """
    if isinstance(audio, tuple):
        text, kind = audio
        return InlineSource(text, f"audio/{kind}")
    scheme, colon, rest = audio.partition(":")
    scheme = scheme.strip().lower()
    if colon and scheme in ("http", "https") and rest.startswith("//") and len(rest) > 2:
        return UrlSource(audio.strip())
    if colon and scheme == "data":
        found = data_url(audio.strip(), 0)
        return InlineSource(cut[1], found.media_type) if cut is not None and found.data == cut[0] else found
    if colon and scheme == "oss" and rest.startswith("//") and len(rest) > 2 and resolves_uploads:
        return UploadSource(rest[2:], owner)
    raise invalid_url()


def invalid_url() -> BadRequest:
    """The error for everything that is no address."""
    return BadRequest(
        "The provided URL does not appear to be valid. Ensure it is correctly formatted.", code="invalid_url"
    )


def _number(
    low: float, high: float, sentence: str, low_in: bool = True, high_in: bool = True
) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        good = isinstance(value, int | float) and not isinstance(value, bool)
        if good:
            above = value >= low if low_in else value > low
            below = value <= high if high_in else value < high
            good = above and below
        if not good:
            raise BadRequest(sentence, code="out_of_range")
        return float(value)

    return read


def _integer(low: int, high: int | None, sentence: str) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        good = isinstance(value, int) and not isinstance(value, bool)
        if not good or value < low or (high is not None and value > high):
            raise BadRequest(sentence, code="out_of_range")
        return int(value)

    return read


_MAX = _integer(1, MAX_TOKENS, f"Range of max_tokens should be [1, {MAX_TOKENS}]")
_TEMPERATURE = _number(0, 2, "Temperature should be in [0.0, 2.0)", high_in=False)
_TOP_P = _number(0, 1, "Range of top_p should be (0.0, 1.0]", low_in=False)
_TOP_K = _integer(0, None, "Parameter top_k be greater than or equal to 0")
_PRESENCE = _number(-2, 2, "Presence_penalty should be in [-2.0, 2.0]")
_REPETITION = _number(0, float("inf"), "Repetition_penalty should be greater than 0.0", low_in=False, high_in=False)
_N = _integer(1, 1, "Range of n should be [1, 1]")


def options(given: Mapping[str, Any], largest_seed: int) -> Options:
    """What the caller wants of the caption, with type and range checked as documented.

    Args:
        given: the fields of the call, by their names on the wire; a null counts as absent.
        largest_seed: the protocol's own bound.

    Raises:
        BadRequest: a value out of its range, a choice that is not served.
    """

    def take(name: str, read: Callable[[Any], Any]) -> Any:
        value = given.get(name)
        try:
            return None if value is None else read(value)
        except BadRequest as error:
            error.facts["field"] = name
            raise

    take("n", _N)
    limits = [m for m in (take("max_tokens", _MAX), take("max_completion_tokens", _MAX)) if m is not None]
    sampling = Sampling(
        temperature=take("temperature", _TEMPERATURE),
        top_p=take("top_p", _TOP_P),
        top_k=take("top_k", _TOP_K),
        presence_penalty=take("presence_penalty", _PRESENCE),
        repetition_penalty=take("repetition_penalty", _REPETITION),
        seed=take("seed", _integer(0, largest_seed, f"Range of seed should be [0, {largest_seed}]")),
    )
    return Options(
        max_tokens=min(limits, default=None),
        stop=take("stop", _stops) or (),
        sampling=None if sampling == Sampling() else sampling,
        windows=_switches(given.get("earwitness")).get("windows", False),
    )


def _stops(value: Any) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or not all(isinstance(s, str) for s in stops):
        raise BadRequest("Stop should be a string or a list of strings", code="out_of_range")
    return tuple(s for s in stops if s)


def refuse_others(given: Mapping[str, Any]) -> None:
    """Refuses what would need another kind of answer: tools, other modalities, other formats.

    Raises:
        BadRequest: tools or an option that is not served.
    """
    if given.get("tools"):
        raise BadRequest("The tool call is not supported.", code="tools", field="tools")
    modalities = given.get("modalities")
    if modalities is not None and modalities != ["text"]:
        raise BadRequest('Modalities should be ["text"]', code="unsupported_option", field="modalities")
    form = given.get("response_format")
    kind = form.get("type") if isinstance(form, dict) else form
    if kind not in (None, "text"):
        raise BadRequest("Response_format should be text", code="unsupported_option", field="response_format")


def wanted(value: Any) -> Wanted | None:
    """The switches of the extension; None where it was not asked for.

    Raises:
        BadRequest: it is no object, or a switch is no boolean.
    """
    if value is None:
        return None
    on = _switches(value)
    return Wanted(**{name: on.get(name, False) for name in ("evidence", "summary", "timeline")})


def _switches(value: Any) -> dict[str, bool]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequest("Earwitness should be an object of switches", code="out_of_range", field="earwitness")
    for name in ("evidence", "summary", "timeline", "windows"):
        if not isinstance(value.get(name, False), bool):
            raise BadRequest(f"Earwitness.{name} should be true or false", code="out_of_range", field="earwitness")
    return value


def known_model(name: Any, served: tuple[str, ...]) -> str:
    """The model's name as the caller wrote it.

    Raises:
        BadRequest: it is missing, or not served.
    """
    if name is None or name == "":
        raise BadRequest("you must provide a model parameter.", code="model_missing", field="model")
    if not isinstance(name, str) or name not in served:
        raise BadRequest(
            f"The model {str(name)[:80]} does not exist or you do not have access to it.",
            code="model_unknown",
            field="model",
        )
    return name
