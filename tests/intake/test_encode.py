from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from earwitness.errors import BadRequest, Failed, NoSound, NotAudio, TooLong, Unreachable
from earwitness.intake import Intake, Limits, encode
from earwitness.intake.encode import FORMATS, Facts, choose, examine
from earwitness.source import PathSource
from kit.sounds import noise, silence, tone, wav_bytes

LIMITS = Limits()
ENDINGS = sorted(FORMATS)


def wav(path: Path, wave: np.ndarray, rate: int = 16_000) -> Path:
    path.write_bytes(wav_bytes(wave, rate=rate))
    return path


def facts(seconds: float, rate: int = 48_000, channels: int = 2) -> Facts:
    return Facts("wav", "pcm_s16le", rate, channels, seconds, int(seconds * rate * channels * 2))


def test_what_a_file_is(data: Path) -> None:
    found = examine(data / "speech_en.mp3", LIMITS)
    assert (found.container, found.codec, found.sample_rate, found.channels) == ("mp3", "mp3float", 22_050, 1)
    assert found.seconds == pytest.approx(5.14, abs=0.01)
    assert found.size_bytes == (data / "speech_en.mp3").stat().st_size


@pytest.mark.parametrize("ending", ENDINGS)
async def test_the_new_file_is_the_same_audio_and_stays_under_its_size(ending: str, tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", np.stack([tone(440, 6, rate=44_100), noise(6, rate=44_100)]), 44_100)
    for size in (400_000, 20_000):
        out = tmp_path / f"out{ending}"
        numbers, came = encode.encode(path, out, examine(path, LIMITS), size, LIMITS)
        assert out.stat().st_size == came <= size
        assert came > 0.7 * min(size, numbers.bit_rate / 8 * 6)
        again = examine(out, LIMITS)
        assert again.channels == numbers.channels == (2 if size == 400_000 else 1)
        assert again.sample_rate in (numbers.sample_rate, 48_000)  # Opus says 48 kHz whatever it was given
        assert again.seconds == pytest.approx(6.0, abs=0.15)
        assert not list(tmp_path.glob(".*"))
    intake = Intake()
    try:
        async with intake.open_clip(PathSource(tmp_path / f"out{ending}")) as clip:
            heard = clip.samples(1.0, 5.0)
    finally:
        await intake.close()
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert abs(np.argmax(spectrum) / 4.0 - 440) < 2


def test_the_same_audio_gives_the_same_file(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", tone(440, 2))
    for ending in (".opus", ".m4a"):
        made = []
        for name in ("x", "y"):
            out = tmp_path / f"{name}{ending}"
            encode.encode(path, out, examine(path, LIMITS), 50_000, LIMITS)
            made.append(out.read_bytes())
        assert made[0] == made[1]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (44_100, 2), (48_000, 2), (96_000, 6), (1_000, 1)])
def test_numbers_are_the_formats_and_never_more_than_the_audio_has(ending: str, rate: int, channels: int) -> None:
    form = FORMATS[ending]
    chosen = [choose(facts(600, rate, channels), form, size) for size in (1_500_000, 3_000_000, 7_864_317, 10**9)]
    for n in chosen:
        assert n.sample_rate in form.rates
        assert n.sample_rate <= max(rate, 8_000) or n.sample_rate == min(r for r in form.rates if r >= rate)
        assert n.channels == 1 or channels == 2
        assert not form.bit_rates or n.bit_rate in form.bit_rates
    assert [n.bit_rate for n in chosen] == sorted(n.bit_rate for n in chosen)
    assert [n.sample_rate for n in chosen] == sorted(n.sample_rate for n in chosen)


def test_forty_minutes_fit_the_strictest_door() -> None:
    for form in FORMATS.values():
        n = choose(facts(2400), form, 7_864_317)
        assert n.bit_rate * 2400 / 8 < 7_864_317
        assert n.sample_rate >= 16_000


def test_too_few_bytes_are_refused_with_the_reason() -> None:
    with pytest.raises(BadRequest, match=r"would leave 3\.\d kbit/s.*at least 12"):
        choose(facts(2400), FORMATS[".opus"], 1_000_000)


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"no audio at all", NotAudio), (b"", NoSound), (wav_bytes(silence(0)), NoSound), (b"RIFF" + bytes(40), NotAudio)],
)
def test_what_is_no_audio_leaves_nothing_behind(content: bytes, error: type[Exception], tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(error):
        examine(path, LIMITS)
    with pytest.raises(error):
        encode.encode(path, tmp_path / "a.mp3", facts(1), 10_000, LIMITS)
    assert os.listdir(tmp_path) == ["a.wav"]


def test_what_is_too_long_or_not_there_or_cannot_be_written(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", tone(440, 3))
    with pytest.raises(TooLong):
        examine(path, Limits(max_seconds=2))
    with pytest.raises(Unreachable):
        examine(tmp_path / "b.wav", LIMITS)
    with pytest.raises(Failed, match="cannot be written"):
        encode.encode(path, tmp_path / "no" / "a.mp3", examine(path, LIMITS), 50_000, LIMITS)
    with pytest.raises(BadRequest, match=r"\.mp3"):
        encode.encode(path, tmp_path / "a.flac", examine(path, LIMITS), 50_000, LIMITS)


def test_a_child_that_lies_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = wav(tmp_path / "a.wav", tone(440, 1))

    def lying(job: dict[str, object], fds: list[int], seconds: float) -> int:
        os.write(fds[1], line)
        return 0

    monkeypatch.setattr(encode, "_child", lying)
    good = {"container": "wav", "codec": "x", "sample_rate": 8000, "channels": 1, "samples": 8000, "size_bytes": 1}
    line = json.dumps(good).encode() + b"\n"
    assert examine(path, LIMITS).seconds == 1.0
    for bad in ({"samples": -1}, {"codec": "\x1b[31m"}, {"sample_rate": "8000"}, {"more": 1}, {"channels": 1e9}):
        line = json.dumps(good | bad).encode() + b"\n"
        with pytest.raises(NotAudio, match="gave up"):
            examine(path, LIMITS)
    line = b"[" * 100_000
    with pytest.raises(NotAudio, match="gave up"):
        examine(path, LIMITS)


PRYING = """
import _socket, json, os, sys
sys.path.insert(0, sys.argv[1])
import start
encoder, parts = start.beside("encoder"), start.parts()
job = json.loads(sys.argv[2])
encoder.warm(job, parts)
parts.confine.confine(job)
found = {}
for name, do in {
    "open": lambda: os.open("/etc/hostname", os.O_RDONLY),
    "socket": _socket.socket,
    "fork": os.fork,
    "exec": lambda: os.execv("/bin/true", ["true"]),
}.items():
    try:
        do()
        found[name] = "works"
    except OSError as error:
        found[name] = "refused"
print(json.dumps(found), flush=True)
os._exit(0)
"""


def test_the_child_can_open_nothing_once_it_is_confined() -> None:
    job = {"out": None, "max_seconds": 9, "decoded_bytes": 1 << 24, "sha256": ""}
    job |= {"memory": 1 << 28, "cpu_s": 9, "file_bytes": 99999}
    folder = str(Path(encode.__file__).parent)
    with tempfile.TemporaryFile() as out:
        code = [sys.executable, "-I", "-c", PRYING, folder, json.dumps(job)]
        subprocess.run(code, stdout=out, check=True)
        out.seek(0)
        assert set(json.loads(out.read()).values()) == {"refused"}
