"""Writes docs/licences.md, the licences of everything that Earwitness uses: `make licences`. A test says when.

Packages are those of the locked requirements; what each says of its own licence is read from the installed package.
Where one is not installed (an extra), its line of the page stands as long as the version does. A licence that is put
in words not known here ends the program: somebody has to look.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from earwitness.weights.catalog import catalog

ROOT = Path(__file__).parents[1]
PAGE = Path(__file__).with_name("licences.md")

HEAD = """# Licences

<!-- written by docs/licences.py: make licences -->

Earwitness itself is under the Apache License 2.0 ([LICENSE](../LICENSE)); who made what it rests on, and what they ask,
stands in [NOTICE](../NOTICE). This page lists what an installation fetches. None of it is part of this repository or of
its wheel.
"""

SETS = ("core", "server", "redis", "s3", "traces", "postgres", "bulk", "ray", "qwen")
"""Locked lists in `requirements/`, each a superset of `core`; a package is told under the first that needs it."""

SPDX = {
    "Apache": "Apache-2.0",
    "Apache 2": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache License": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "BSD": "BSD-3-Clause",
    "ISC License": "ISC",
    "MIT License": "MIT",
}
"""How packages without an SPDX expression put it."""

LOOKED_AT = {
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "scipy": "BSD-3-Clause",
    "torch": "BSD-3-Clause",
    "tzdata": "Apache-2.0",
}
"""What no metadata says in one line, or is not installed on this kind of machine."""

ASKS = {
    "MPL-2.0": "changes to its own files stay under it",
    "LGPL": "must stay replaceable; nothing of ours is linked into it",
}

INSIDE = {
    "LGPL-3.0-or-later (FFmpeg, by what it says of itself)": r"av(codec|device|filter|format|util)|sw(resample|scale)",
    "GPL-2.0-or-later": r"x26[45]",
    "LGPL-2.0-or-later": r"mp3lame",
    "LGPL-2.1-or-later": r"asound|crypt|keyutils|gnutls",
    "LGPL-3.0-or-later OR GPL-2.0-or-later": r"gmp|hogweed|nettle|unistring",
    "GPL-3.0-or-later with the GCC runtime exception": r"gomp|gfortran",
    "LGPL-2.1-or-later (GCC)": r"quadmath",
    "BSD-2-Clause": r"dav1d",
    "BSD-3-Clause": r"opus|vpx|webp(mux)?|sharpyuv|scipy_openblas(64_)?",
    "BSD-3-Clause-Clear": r"SvtAv1Enc",
    "Apache-2.0": r"opencore-amr(nb|wb)|ssl|crypto",
    "MIT": r"drm|vpl|xcb(-\w+)?|Xau|com_err|gssapi_krb5|k5crypto|krb5|krb5support|ctranslate2",
    "PostgreSQL": r"pq",
    "OLDAP-2.8": r"lber|ldap",
    "BSD-Attribution-HPND-disclaimer": r"sasl2",
}
"""Licence, as the library's own project states it -> the libraries that wheels of others bring along."""


def pins() -> dict[str, tuple[str, str]]:
    """Package -> (version, the first set that needs it)."""
    found: dict[str, tuple[str, str]] = {}
    for name in SETS:
        text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        for package, version in re.findall(r"^([\w.-]+)(?:\[[^\]]*\])?==([^\s\\;]+)", text, re.M):
            found.setdefault(package.lower(), (version, name))
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for requirement in extras["qwen"]:
        package, exact, version = requirement.partition("==")
        if exact:
            found.setdefault(package, (version, "qwen"))
    return found


def licence(package: str, installed: Distribution) -> str:
    """The licence of an installed package as an SPDX expression.

    Raises:
        SystemExit: it is put in words that are not known here.
    """
    if package in LOOKED_AT:
        return LOOKED_AT[package]
    metadata = installed.metadata
    if expression := metadata.get("License-Expression"):
        return str(expression)
    said = str(metadata.get("License") or "").strip().partition("\n")[0]  # some put the whole text there
    classes = [c.rpartition(" :: ")[2] for c in metadata.get_all("Classifier") or [] if c.startswith("License ::")]
    for words in (said, *classes):
        if words in SPDX:
            return SPDX[words]
        if re.fullmatch(r"[\w.-]+-[\d.]+(-[\w-]+)?|MIT|ISC|MPL-2.0 AND MIT", words):
            return words
    raise SystemExit(
        f"licences: {package} says {said[:60]!r} and {classes}: look at it and add it to SPDX or LOOKED_AT"
    )


def packages(text: str) -> Iterator[str]:
    """A line for each package; of those that are not here, the line that the page has."""
    for package, (version, name) in sorted(pins().items()):
        start = f"| {package} | {version} | {name} |"
        try:
            told = LOOKED_AT.get(package) or licence(package, distribution(package))
        except PackageNotFoundError:
            kept = [line for line in text.splitlines() if line.startswith(start)]
            yield kept[0] if kept else f"{start} not looked at | |"
            continue
        asks = "; ".join(what for mark, what in ASKS.items() if mark in told)
        yield f"{start} {told} | {asks} |"


def inside(text: str) -> Iterator[str]:
    """The libraries that wheels of packages bring along in a folder `NAME.libs`."""
    for package, (version, _) in sorted(pins().items()):
        start = f"| {package} {version} |"
        try:
            installed = distribution(package)
        except PackageNotFoundError:
            yield from (line for line in text.splitlines() if line.startswith(start))
            continue
        files = [f.name for f in installed.files or [] if f.parts[0].endswith(".libs")]
        names = sorted({re.sub(r"(-[0-9a-f]{8})+.*|\.so.*", "", f.removeprefix("lib")) for f in files}, key=str.lower)
        by: dict[str, list[str]] = {}
        for name in names:
            by.setdefault(_of_library(name), []).append(name)
        yield from (f"| {package} {version} | {told} | {', '.join(by[told])} |" for told in sorted(by))


def _of_library(name: str) -> str:
    for told, pattern in INSIDE.items():
        if re.fullmatch(pattern, name):
            return told
    raise SystemExit(f"licences: a wheel brings the library {name}: look at it and add it to INSIDE")


def models() -> Iterator[str]:
    """A line for each entry of the catalogue of weights."""
    for model in catalog().values():
        places = [s.repository or ", ".join(f"{p.name} {p.version}" for p in s.packages) for s in model.sources]
        when = "always" if model.needed else "when asked for"
        yield f"| {model.name} | {model.title} | {when} | {model.licence} | {'; '.join(places)} |"


def page(text: str) -> str:
    """The page as it should be."""
    return "\n".join(
        [
            HEAD,
            "## Packages\n",
            "| package | version | for | licence | what it asks beyond its notice |\n| --- | --- | --- | --- | --- |",
            *packages(text),
            "\n`for` is `core` (always), or the first extra of `pip install 'earwitness[…]'` that needs it.\n",
            "## Libraries inside these packages\n",
            "Compiled libraries that the makers of packages ship in their wheels, for Linux on x86-64. FFmpeg comes",
            "with the encoders x264 and x265, which are under the GPL. Earwitness encodes no video; but whoever passes",
            "on an image with that wheel in it passes them on too.\n",
            "| package | licence | libraries |\n| --- | --- | --- |",
            *inside(text),
            "\n## Models and lists\n",
            "| model | what | fetched | licence | from |\n| --- | --- | --- | --- | --- |",
            *models(),
            "\nThe engine `qwen` uses weights that its user fetches: Qwen3-Omni-30B-A3B-Captioner, Apache-2.0.",
            "Small classifiers made by `training/` are part of this repository and under its licence; NOTICE names the",
            "recordings that they were fitted on.\n",
        ]
    )


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""), encoding="utf-8")
