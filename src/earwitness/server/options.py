"""What can be set about the server. Data only, so that the settings can compose it without loading a web library."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

MODEL = "qwen3-omni-30b-a3b-captioner"
"""The name under which every client of the service knows the model."""

MIB = 1 << 20

Count = Annotated[int, Ge(0)]
Some = Annotated[int, Ge(1)]
Seconds = Annotated[float, Gt(0)]
Port = Annotated[int, Ge(0), Le(65_535)]


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Options of `earwitness serve`. Sizes in bytes, times in seconds."""

    host: str = "127.0.0.1"
    """Address to listen on. Another than a loopback address needs keys, or `allow_anonymous`."""

    port: Port = 8000
    """Port to listen on; 0 takes a free one."""

    models: tuple[str, ...] = (MODEL,)
    """Names under which the model is served; the first is the one that is advertised, the rest are aliases."""

    keys_file: str = ""
    """File with the hashes of the keys; empty: `keys.json` in the data folder of the user."""

    uploads_folder: str = ""
    """Folder of uploaded files; empty: `uploads` in the data folder of the user."""

    allow_anonymous: bool = False
    """Listen on an address that others reach although there are no keys."""

    host_names: tuple[str, ...] = ()
    """Names by which this server may be called while it has no keys, beside localhost and its own addresses."""

    origins: tuple[str, ...] = ()
    """Origins of web pages that may call from a browser, such as `https://app.example`. None: no CORS header."""

    public_url: str = ""
    """How clients reach this server, for the address of uploads; empty: what the request's Host says."""

    trusted_proxies: tuple[str, ...] = ()
    """Addresses of reverse proxies whose X-Forwarded-Proto, -Host and -Prefix are believed."""

    body_limit: Some = 16 * MIB
    """Largest JSON body."""

    drain_limit: Some = 64 * MIB
    """How much of a refused body is read on, so that the client sees the refusal and no reset."""

    running: Some = 64
    """Calls of one process that may be in work at once, waiting ones among them; one more is refused."""

    at_once: Count = 0
    """Calls that the engine of one process hears at one time, the others wait for their turn; 0: its share of
    the cores, and all calls where other servers hear."""

    workers: Some = 1
    """Processes that serve. Each has its own engine; they share the address, the ledger and, by Redis, the quotas."""

    requests_per_minute: Count = 0
    """Captions a minute of a key that has no limit of its own; 0: any."""

    tokens_per_minute: Count = 0
    """Tokens a minute of a key that has no limit of its own; 0: any."""

    key_running: Count = 0
    """Calls at one time of a key that has no limit of its own; 0: any."""

    redis_url: str = field(default="", repr=False)
    """Redis server in which several processes or machines count quotas together, as `redis://host:6379/0`."""

    lease_s: Seconds = 30.0
    """Time after which the running calls of a process that was killed no longer count against their keys."""

    uploads_store: str = ""
    """Store of uploaded files that several machines share, as `s3://bucket/prefix`; its credentials are those of the
    environment (AWS_ACCESS_KEY_ID ...). Empty: the folder."""

    uploads_endpoint: str = ""
    """Address of a store that speaks S3 and is not Amazon's."""

    metrics_token: str = field(default="", repr=False)
    """Who asks /metrics must send it as bearer token; empty: only this machine may ask, and not through a proxy."""

    deadline_s: Seconds = 290.0
    """Time for an answer that is not streamed; then listening stops, and the answer is 500 with "not to be retried"."""

    keep_alive_s: Seconds = 12.0
    """A comment goes out in a stream when nothing else went out for so long."""

    header_timeout_s: Seconds = 15.0
    """Time for the head of a request to arrive."""

    body_timeout_s: Seconds = 30.0
    """Longest pause within the body of a request."""

    write_timeout_s: Seconds = 60.0
    """A client that takes nothing for so long while something waits for it is dropped."""

    idle_timeout_s: Seconds = 90.0
    """How long an idle connection is kept."""

    grace_s: Seconds = 30.0
    """Time that running calls have to end after SIGTERM."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """From which level on lines are logged: debug, info, warning or error. Default info."""

    log_json: bool = False
    """Each line of the log is a JSON object instead of text. Default false."""

    log_captions: bool = False
    """Captions are logged with the end of their request; they hold what was said in the audio. Default false."""
