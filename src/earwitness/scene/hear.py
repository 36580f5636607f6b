"""Which listener listens where, in what order. A generator of parts, so that part 1 is told before part 2 is heard."""

from __future__ import annotations

import ctypes
import importlib
import logging
import mmap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from earwitness.clip import BLOCK_S, RATE, Clip
from earwitness.errors import Cancelled, EarwitnessError, WeightsError
from earwitness.scene.evidence.fuse import fuse
from earwitness.scene.evidence.observation import Observation, Span, Utterance
from earwitness.scene.evidence.part import Coverage, Part
from earwitness.scene.evidence.timeline import patterns
from earwitness.scene.linear_algebra import one_thread
from earwitness.scene.listeners.listener import Context, Listener, Report
from earwitness.scene.listeners.listener_runtime import steady_heap
from earwitness.weights.store import Store

logger = logging.getLogger(__name__)

SHORTEST_S = 18.0
LONGEST_S = 30.0
REST_S = 6.0
"""A part ends after 18 to 30 s; what is left for the last one is never shorter than 6 s."""

LONG_S = 600.0
FIRST_S = (3.0, 6.0)
"""Of a clip longer than ten minutes the first part ends after 3 to 6 s, so that its first words come soon."""

QUIET_S = 0.2
"""A part ends in the middle of the quietest stretch of this length."""

SILENCE_DBFS = -65.0
"""Below this level in every block (rms of 100 ms, loudest channel) a part is silent and only measured."""


@dataclass(frozen=True, slots=True)
class EarOptions:
    """What the listeners are made of: threads of the models, the speech model's folder or name and number format."""

    threads: int = 2
    compute_type: str = "int8"
    speech_model: Path | None = None
    sound_model: Path | None = None
    chinese: Literal["simplified", "traditional", "as_heard"] = "simplified"


@dataclass(frozen=True, slots=True)
class Ear:
    """A row of the table: a listener's name, how it is made, whether it also hears silent parts."""

    name: str
    make: Callable[[Store, EarOptions], Listener]
    hears_silence: bool = False


def _level(_store: Store, _options: EarOptions) -> Listener:
    from earwitness.scene.listeners.level import LevelListener

    return LevelListener()


def _tone(_store: Store, _options: EarOptions) -> Listener:
    from earwitness.scene.listeners.tone import ToneListener

    return ToneListener()


def _sound(store: Store, options: EarOptions) -> Listener:
    from earwitness.scene.listeners.sound import SoundListener

    return SoundListener(store.path("yamnet"), threads=options.threads, second=options.sound_model)


def _speech(store: Store, options: EarOptions) -> Listener:
    from earwitness.scene.listeners.speech import SpeechListener
    from earwitness.scene.listeners.voice_turns import Turns

    model = _speech_folder(store, options.speech_model)
    words = store.path("profanity") if store.present("profanity") else None
    turns = Turns.load(store.path("resemblyzer"))
    return SpeechListener(model, options.threads, options.compute_type, options.chinese, profanity=words, turns=turns)


def _speech_folder(store: Store, chosen: Path | None) -> Path:
    """The folder of the speech model: the user's own, or by its name in the catalogue (`small`, `large-v3-turbo`).

    Raises:
        WeightsError: neither such a folder nor such a name, or the model cannot be fetched.
    """
    if chosen is None:
        return store.path("whisper-base")
    if (chosen / "model.bin").is_file():
        return chosen
    named = [n for n in (str(chosen), f"whisper-{chosen}") if n in store.known and n.startswith("whisper-")]
    if named:
        return store.path(named[0])
    names = ", ".join(n.removeprefix("whisper-") for n in store.known if n.startswith("whisper-"))
    raise WeightsError(
        f"{chosen} is no folder with a speech model (model.bin) and no name of one; the names are {names}.",
        code="weights_missing",
    )


def _voice(store: Store, _options: EarOptions) -> Listener:
    from earwitness.scene.listeners.voice import VoiceListener

    return VoiceListener(store.path("swift-f0"), store.path("resemblyzer"))


def _act(_store: Store, _options: EarOptions) -> Listener:
    from earwitness.scene.listeners.act import ActListener

    return ActListener()


def _emotion(store: Store, _options: EarOptions) -> Listener:
    from earwitness.scene.listeners.emotion import EmotionListener

    # Its heads were fitted to the encoder of whisper-base and to no other speech model.
    return EmotionListener(store.path("whisper-base"), store.path("swift-f0"))


def _space(_store: Store, _options: EarOptions) -> Listener:
    from earwitness.scene.listeners.space import SpaceListener

    return SpaceListener()


def _music(store: Store, options: EarOptions) -> Listener:
    from earwitness.scene.listeners.music import MusicListener

    return MusicListener(store.path("musicnn"), threads=options.threads)


def _sensitive(_store: Store, _options: EarOptions) -> Listener:
    from earwitness.scene.listeners.sensitive import SensitiveListener

    return SensitiveListener()


TABLE = (
    Ear("level", _level, hears_silence=True),
    Ear("tone", _tone),
    Ear("sound", _sound),
    Ear("speech", _speech),
    Ear("voice", _voice),
    Ear("act", _act),
    Ear("emotion", _emotion),
    Ear("space", _space, hears_silence=True),
    Ear("music", _music),
    Ear("sensitive", _sensitive),
)
"""The order matters: a later listener may use what an earlier one found in the same part."""


RUNTIMES = ("onnxruntime", "faster_whisper", "faster_whisper.feature_extractor", "faster_whisper.tokenizer")
"""What listeners import when they are made."""


@dataclass(frozen=True, slots=True)
class Ears:
    """Loaded listeners in the order of the table. strict: a listener that breaks is an error, not a gap."""

    listeners: tuple[tuple[Ear, Listener], ...]
    strict: bool = False


def load_ears(store: Store, options: EarOptions, strict: bool = False) -> Ears:
    """Loads all listeners, side by side; models that are missing are fetched.

    Raises:
        WeightsError: a model is missing and cannot be fetched, or is broken.
    """
    steady_heap()
    # Imports first and in one thread: packages that import each other in a circle deadlock in two.
    for module in RUNTIMES:
        importlib.import_module(module)
    for ear in TABLE:
        importlib.import_module(f"earwitness.scene.listeners.{ear.name}")
    with ThreadPoolExecutor(max_workers=len(TABLE), thread_name_prefix="earwitness-load") as pool:
        made = list(pool.map(lambda ear: ear.make(store, options), TABLE))
    _trim()
    return Ears(tuple(zip(TABLE, made, strict=True)), strict)


def hear(clip: Clip, ears: Ears, cancelled: Callable[[], bool] = lambda: False) -> Iterator[Part]:
    """Hears a clip part by part; nothing of a part is looked at before the one before it was taken.

    Raises:
        Cancelled: `cancelled()` turned true; looked at before every listener of every part.
    """
    memory: dict[str, dict[str, object]] = {}
    for span, last in spans(clip):
        with one_thread():
            part = _hear_part(clip, span, last, ears, memory, cancelled)
        _let_go(clip, span[1])
        yield part


def _let_go(clip: Clip, end: float) -> None:
    """Gives back what a part no longer needs, so that hours stay flat: freed memory that the allocator holds, and the
    samples before `end` where they are mapped from a file (they can still be read: the system brings them in again).
    """
    _trim()
    mapped = getattr(clip.pcm, "_mmap", None)
    if isinstance(mapped, mmap.mmap) and (size := min(len(mapped), round(end * RATE) * clip.pcm.itemsize)):
        mapped.madvise(mmap.MADV_DONTNEED, 0, size)


@cache
def _allocator() -> Callable[[int], int] | None:
    """The C library's call that returns freed memory to the system; None where it has none."""
    found: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return found


def _trim() -> None:
    # Two runtimes and numpy free large blocks in several threads, and glibc keeps them all: 290 MB instead of 712 MB
    # between the parts of a long talk.
    if (trim := _allocator()) is not None:
        trim(0)


def spans(clip: Clip) -> Iterator[tuple[Span, bool]]:
    """(span, whether it is the last) of the parts, tiling the clip. Depends on the samples alone."""
    start, total = 0, len(clip.pcm)
    while total - start > round(LONGEST_S * RATE):
        end = _quietest(clip, start, total)
        yield (start / RATE, end / RATE), False
        start = end
    yield (start / RATE, max(clip.seconds, start / RATE)), True


def _quietest(clip: Clip, start: int, total: int) -> int:
    """The sample at which the part from `start` on ends; of equally quiet places the last."""
    shortest, longest = FIRST_S if start == 0 and total > LONG_S * RATE else (SHORTEST_S, LONGEST_S)
    first = start + round(shortest * RATE)
    stop = min(start + round(longest * RATE), total - round(REST_S * RATE))
    window, hop = round(QUIET_S * RATE), RATE // 100
    energy = np.concatenate(([0], np.cumsum(clip.pcm[first:stop].astype(np.int64) ** 2)))
    begins = np.arange(0, len(energy) - window, hop)
    sums = energy[begins + window] - energy[begins]
    quietest = begins[len(sums) - 1 - int(np.argmin(sums[::-1]))]
    return int(first + quietest + window // 2)


def silent(clip: Clip, span: Span) -> bool:
    """Whether no channel of the native samples rises above `SILENCE_DBFS` in any block of the span."""
    first, stop = int(span[0] / BLOCK_S), int(np.ceil(span[1] / BLOCK_S))
    blocks = clip.profile.rms_dbfs[:, first : max(stop, first + 1)]
    return blocks.size == 0 or bool(blocks.max() < SILENCE_DBFS)


def _hear_part(
    clip: Clip, span: Span, last: bool, ears: Ears, memory: dict[str, dict[str, object]], cancelled: Callable[[], bool]
) -> Part:
    context = Context(memory=memory)
    coverage: list[Coverage] = []
    nothing = silent(clip, span)
    for ear, listener in ears.listeners:
        if cancelled():
            raise Cancelled("The listening was stopped.")
        if nothing and not ear.hears_silence:
            reason = f"the level stays below {SILENCE_DBFS:.0f} dBFS, so there is nothing to hear"
            coverage.append(Coverage(ear.name, span, "ran", reason))
            continue
        report = _ask(ear.name, listener, clip, span, context, ears.strict)
        context.so_far.extend(report.observations)
        coverage.extend(report.coverage or (Coverage(ear.name, span, "ran"),))
    found = fuse(_attributed(context))
    found += patterns(found, memory.setdefault("timeline", {}))
    return Part(span, tuple(sorted(found, key=lambda o: (o.start, o.id))), tuple(coverage), last)


def _ask(name: str, listener: Listener, clip: Clip, span: Span, context: Context, strict: bool) -> Report:
    """One listener's report; one that breaks was unavailable for this part, unless `strict`."""
    try:
        return listener.listen(clip, span, context)
    except EarwitnessError:
        raise
    except Exception as error:
        if strict:
            raise
        logger.warning("listener %s failed on %.2f-%.2f s", name, *span, exc_info=True)
        return Report(coverage=(Coverage(name, span, "unavailable", f"{type(error).__name__} while listening"),))


def _attributed(context: Context) -> Iterator[Observation]:
    """The observations, utterances with the speaker that the voice listener found for them."""
    found = context.shared.get("speaker_of")
    speaker_of = found if isinstance(found, dict) else {}
    for o in context.so_far:
        yield replace(o, speaker=speaker_of[o.id]) if isinstance(o, Utterance) and o.id in speaker_of else o
