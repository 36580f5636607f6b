"""Whisper through CTranslate2: one encoding of a stretch of speech serves its language, words, times and English.

Windows are as long as the speech and not always 30 s: a window of the speech and 2 s, at least 10 s, gave the same word
errors as 30 s (0.159 against 0.166 with one beam on 49 recordings) for a third of the encoder's time. Under 2 s of
padding the decoder begins to loop.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from earwitness.clip import Floats
from earwitness.scene.listeners.speech_gates import compression
from earwitness.scene.listeners.speech_parts import part

if TYPE_CHECKING:
    from faster_whisper.tokenizer import Tokenizer

LONGEST_S = 28.0
"""Speech that one window may hold: 30 s less the padding."""
PAD_S, SHORTEST_S = 2.0, 10.0
HOP_S = 0.01
FRAME_S = 0.02
MAX_TOKENS = 448
INITIAL_TIMESTAMP = 50
"""The first timestamp may be at most 1 s."""

Task = Literal["transcribe", "translate"]


@dataclass(frozen=True, slots=True)
class Decoded:
    """One decoding. tokens: with timestamps; logprob: their mean; no_speech: of the window; beam: of the search."""

    text: str
    tokens: tuple[int, ...]
    logprob: float
    no_speech: float
    compression: float
    beam: int = 1


@dataclass(frozen=True, slots=True)
class Aligned:
    """A word with its blanks and punctuation; times in seconds from the start of the window."""

    text: str
    start: float
    end: float
    probability: float
    logprob: float


@dataclass(frozen=True, slots=True)
class Encoded:
    """The encoder's output for `seconds` of speech (CTranslate2 storage [1, frames, 512], 50 frames a second)."""

    storage: Any
    seconds: float
    array: Floats


class Recogniser:
    """The model of `folder` (CTranslate2 layout). Thread-safe; greedy or beam search only, so deterministic."""

    def __init__(self, folder: Path, threads: int = 2, compute_type: str = "int8") -> None:
        ctranslate2, tokenizers = part("ctranslate2"), part("tokenizers")
        self._model = ctranslate2.models.Whisper(
            str(folder), device="cpu", compute_type=compute_type, intra_threads=threads
        )
        self._storage = ctranslate2.StorageView.from_array
        self._features = part("feature_extractor").FeatureExtractor(feature_size=self._model.n_mels)
        self._words = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._suppressed: list[int] | None = None

    def encode(self, samples: Floats) -> Encoded:
        """Encodes up to 30 s of speech (float32, 16 kHz)."""
        seconds = len(samples) / 16_000
        frames = min(3000, 100 * math.ceil(max(SHORTEST_S, seconds + PAD_S)))
        mel = self._features(samples)[:, :frames]
        mel = np.pad(mel, ((0, 0), (0, frames - mel.shape[1])))
        storage = self._model.encode(self._storage(np.ascontiguousarray(mel[None], np.float32)), to_cpu=True)
        return Encoded(storage, seconds, np.asarray(storage, np.float32))

    def language(self, encoded: Encoded, start: float = 0.0, end: float | None = None) -> tuple[str, float]:
        """The most probable language (Whisper's code) and its probability, of all or of a slice of the encoding."""
        storage = encoded.storage
        if end is not None:
            part = encoded.array[:, int(start / FRAME_S) : int(end / FRAME_S) + 1]
            storage = self._storage(np.ascontiguousarray(part))
        token, probability = self._model.detect_language(storage)[0][0]
        return token[2:-2], float(probability)

    def decode(
        self, encoded: Encoded, language: str, task: Task = "transcribe", beam: int = 1, most: int = MAX_TOKENS
    ) -> Decoded:
        """The most probable text of at most `most` tokens; more beams, a wider search."""
        tokenizer = self._tokenizer(language, task)
        result = self._model.generate(
            encoded.storage,
            [list(tokenizer.sot_sequence)],
            beam_size=beam,
            max_length=min(most, MAX_TOKENS),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=self._suppress(tokenizer),
            max_initial_timestamp_index=INITIAL_TIMESTAMP,
        )[0]
        tokens = tuple(result.sequences_ids[0])
        text = tokenizer.decode([t for t in tokens if t < tokenizer.eot]).strip()
        logprob = float(result.scores[0]) * len(tokens) / (len(tokens) + 1)
        return Decoded(text, tokens, logprob, float(result.no_speech_prob), compression(text), beam)

    def align(self, encoded: Encoded, decoded: Decoded, language: str) -> list[Aligned]:
        """The words of a transcription with their times, from the decoder's attention."""
        tokenizer = self._tokenizer(language, "transcribe")
        tokens = [t for t in decoded.tokens if t < tokenizer.eot]
        if not tokens:
            return []
        frames = min(encoded.array.shape[1] * 2, round(encoded.seconds / HOP_S))
        found = self._model.align(
            encoded.storage, list(tokenizer.sot_sequence), [tokens], frames, median_filter_width=7
        )[0]
        words, groups = tokenizer.split_to_word_tokens([*tokens, tokenizer.eot])
        if len(groups) < 2:
            return []
        bounds = np.concatenate([[0], np.cumsum([len(g) for g in groups[:-1]])])
        rows = np.array([a for a, _ in found.alignments])
        columns = np.array([b for _, b in found.alignments])
        times = columns[np.diff(rows, prepend=-1) > 0] * FRAME_S
        chances = np.clip(np.asarray(found.text_token_probs, np.float64), 1e-6, 1.0)
        return [
            Aligned(
                word,
                float(times[a]),
                float(times[min(b, len(times) - 1)]),
                round(float(chances[a:b].mean()), 3),
                float(np.log(chances[a:b]).mean()),
            )
            for word, a, b in zip(words[:-1], bounds[:-1], bounds[1:], strict=True)
        ]

    def segments(self, decoded: Decoded, task: Task = "translate") -> list[tuple[float, float, str]]:
        """The segments (start, end, text) that the decoder's own timestamps mark, in seconds of the window."""
        tokenizer = self._tokenizer("en", task)
        found: list[tuple[float, float, str]] = []
        start, held = 0.0, []
        for token in decoded.tokens:
            if token < tokenizer.eot:
                held.append(token)
            elif token >= tokenizer.timestamp_begin:
                at = (token - tokenizer.timestamp_begin) * FRAME_S
                if held:
                    found.append((start, at, tokenizer.decode(held).strip()))
                    held = []
                start = at
        if held:
            found.append((start, math.inf, tokenizer.decode(held).strip()))
        return found

    def _tokenizer(self, language: str, task: Task) -> Tokenizer:
        made: Tokenizer = part("tokenizer").Tokenizer(
            self._words, self._model.is_multilingual, task=task, language=language
        )
        return made

    def _suppress(self, tokenizer: Tokenizer) -> list[int]:
        if self._suppressed is None:
            self._suppressed = list(part("transcribe").get_suppressed_tokens(tokenizer, [-1]))
        return self._suppressed
