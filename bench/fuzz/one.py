"""One target in this process, under libFuzzer: `python -m bench.fuzz.one TARGET CORPUS [libFuzzer's options]`."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["earwitness", "bench.fuzz", "yarl", "idna", "python_multipart"]):
    from bench.fuzz.targets import TARGETS


def main() -> None:
    """Never returns: libFuzzer ends the process."""
    name, *rest = sys.argv[1:]
    target = TARGETS[name]
    atheris.Setup([sys.argv[0], *rest], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
