"""The peer of quality: a tagger and a transcriber in a loop, which is what one would script in an afternoon.

The five classes of the tagger (YAMNet, float graph, every 0.48 s) with the highest maximum above 0.3; the words of
Whisper base (int8, one beam, voice activity filter on) in quotation marks; one sentence. The recipe is that of the
shared judge's BASELINE.md; the weights are those that the captions are made with.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from earwitness.scene.listeners.sound_tagger import STRIDE, Tagger
from earwitness.weights.store import Store

LEAST = 0.3
MOST = 5


class Loop:
    """Both models, loaded once."""

    def __init__(self, threads: int) -> None:
        from faster_whisper import WhisperModel

        store = Store()
        self._tagger = Tagger(store.path("yamnet"), threads)
        folder = str(store.path("whisper-base"))
        self._whisper: Any = WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=threads)

    def __call__(self, path: Path) -> str:
        """The sentence. Raises whatever the libraries raise of a file that they cannot read."""
        from faster_whisper import decode_audio

        samples = np.asarray(decode_audio(str(path)), np.float32)
        if not len(samples):
            raise ValueError("no samples")
        _, scores, _ = self._tagger.run(samples, 2 * STRIDE)
        best = scores.max(0)
        names = [self._tagger.classes[i] for i in np.argsort(-best)[:MOST] if best[i] > LEAST]
        segments, info = self._whisper.transcribe(samples, beam_size=1, vad_filter=True)
        words = " ".join(s.text.strip() for s in segments).strip()
        text = f"The audio contains {', '.join(names) or 'nothing that is known'}."
        return text + (f" Speech in {info.language}: “{words}”." if words else "")
