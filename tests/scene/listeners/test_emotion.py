"""Expression: the encoder against its reference, the regions, and names only where something else agrees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from earwitness.errors import WeightsError
from earwitness.scene.evidence.certainty import certainty_of
from earwitness.scene.evidence.observation import Act, Emotion
from earwitness.scene.listeners.emotion import EmotionListener, exasperation
from earwitness.scene.listeners.emotion_encoder import Encoder
from earwitness.scene.listeners.emotion_heads import CLASSES, Heads
from earwitness.scene.listeners.emotion_names import Delivery, name_of
from earwitness.scene.listeners.emotion_prosody import SIZE, prosody
from earwitness.scene.listeners.voice_pitch import Pitch
from earwitness.weights.store import Store
from kit import sounds
from kit.whisper_blocks import Blocks

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def whisper() -> Path:
    return Path(Store(offline=True).path("whisper-base"))


@pytest.fixture(scope="module")
def listener(whisper: Path) -> EmotionListener:
    return EmotionListener(whisper, Store(offline=True).path("swift-f0"))


@pytest.mark.parametrize("blocks", [1, 3])
def test_the_first_blocks_agree_with_the_reference(whisper: Path, blocks: int) -> None:
    mel = np.random.default_rng(3).normal(0, 0.5, (80, 300)).astype(np.float32)
    ours = Encoder(whisper, blocks, compute_type="float32").encode(mel)
    assert np.abs(ours - Blocks(whisper / "model.bin", blocks)(mel)).max() < 1e-3


def test_the_reference_agrees_with_the_whole_model(whisper: Path) -> None:
    import ctranslate2

    mel = np.random.default_rng(3).normal(0, 0.5, (80, 300)).astype(np.float32)
    model = ctranslate2.models.Whisper(str(whisper), compute_type="float32", intra_threads=1)
    theirs = np.array(model.encode(ctranslate2.StorageView.from_array(mel[None]), to_cpu=True))[0]
    assert np.abs(Blocks(whisper / "model.bin", 6)(mel, last=True) - theirs).max() < 1e-3


@pytest.mark.parametrize("data", [b"", b"\x06\x00\x00\x00\xff\xff", b"\x06\x00\x00\x00" + bytes(60)])
def test_a_broken_file_is_a_clear_error(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "model.bin").write_bytes(data)
    with pytest.raises(WeightsError):
        Encoder(tmp_path)


def test_a_file_that_ends_early_is_a_clear_error(tmp_path: Path, whisper: Path) -> None:
    with (whisper / "model.bin").open("rb") as file:
        (tmp_path / "model.bin").write_bytes(file.read(80_000_000))
    with pytest.raises(WeightsError):
        Encoder(tmp_path)


def test_more_blocks_than_there_are_is_a_clear_error(whisper: Path) -> None:
    with pytest.raises(WeightsError, match="7 blocks"):
        Encoder(whisper, blocks=7)


def test_prosody_knows_no_level_and_no_length() -> None:
    wave = sounds.noise(2.0)
    nothing = Pitch(np.zeros(125, np.float32), np.zeros(125, np.float32))
    one, two = prosody(wave, nothing), prosody(wave * np.float32(0.25), nothing)
    assert one.shape == (SIZE,)
    assert np.abs(one - two).max() < 1e-2


def test_heads_judge_their_own_kind() -> None:
    heads = Heads.load()
    mean = heads.deep_named[0]
    judged = heads.judge(mean, heads.wide_named[0])
    assert judged.top in CLASSES
    assert 0.0 <= judged.anger <= 1.0
    assert -1.0 <= judged.pleasant <= 1.0


@pytest.mark.parametrize(
    ("deep", "wide", "anger", "votes", "named"),
    [
        (2.0, 2.0, 0.9, (), "angry"),
        (2.0, 2.0, 0.1, (), None),
        (2.0, 2.0, 0.1, ("laughter",), "excited"),
        (0.5, 0.5, 0.1, ("pleasant",), "cheerful"),
        (2.0, -1.0, 0.9, ("laughter",), None),
        (-3.0, -3.0, 0.0, (), "quiet"),
        (-3.0, -3.0, 0.0, ("crying",), "sad"),
        (-3.0, -3.0, 0.0, ("pleasant",), "quiet"),
        (0.0, -0.5, 0.0, ("unhappy",), None),
        (0.0, -0.5, 0.0, ("pleasant",), None),
        (0.0, -0.5, 0.0, ("crying", "unhappy"), "sad"),
        (0.0, -0.5, 0.0, ("laughter", "pleasant"), "amused"),
        (2.0, 2.0, 0.1, ("surprised",), "surprised"),
        (2.0, 2.0, 0.1, ("afraid",), "fearful"),
        (2.0, 2.0, 0.1, ("unpleasant",), "annoyed"),
        (2.0, 2.0, 0.6, ("unpleasant",), "angry"),
    ],
)
def test_regions(
    listener: EmotionListener, deep: float, wide: float, anger: float, votes: tuple[str, ...], named: str | None
) -> None:
    assert name_of(Delivery(deep, wide, anger), votes, None, listener._rules["regions"])[0] == named


@pytest.mark.parametrize(
    ("delivery", "votes", "named"),
    [
        (Delivery(2.0, 1.0, joy=0.7, pleasant=0.3), (), "excited"),
        (Delivery(2.0, 1.0, joy=0.7, pleasant=-0.1), (), None),
        (Delivery(2.0, 1.0, joy=0.7, pleasant=0.3), ("crying",), "tearful"),
        (Delivery(-4.0, -1.0, sadness=0.8, pleasant=-0.8), (), "sad"),
        (Delivery(-4.0, -3.0, sadness=0.8, pleasant=-0.8), (), "sad"),
        (Delivery(-4.0, -3.0, sadness=0.8, pleasant=-0.5), (), "quiet"),
        (Delivery(0.5, -1.0, sadness=0.8, pleasant=-0.8), (), None),
    ],
)
def test_what_a_voice_alone_is_called(
    listener: EmotionListener, delivery: Delivery, votes: tuple[str, ...], named: str | None
) -> None:
    assert name_of(delivery, votes, None, listener._rules["regions"])[0] == named


def complaint(*votes: str, speaker: str | None = "speaker_1") -> Act:
    return Act(span=(2.0, 4.0), score=0.9, listener="act", act="complain", speaker=speaker, votes=("words", *votes))


def expression(activation: float, named: str | None = None) -> Emotion:
    return Emotion(
        span=(2.0, 4.0), score=0.75, listener="emotion", speaker="speaker_1", activation=activation, named=named
    )


@pytest.mark.parametrize(
    ("votes", "voice", "certainty"),
    [
        (("exclamation", "sound"), None, "possible"),
        (("exclamation", "voice", "sound"), None, "likely"),
        (("exclamation", "question", "voice"), expression(0.1), "likely"),
        (("exclamation",), expression(0.8), "possible"),
        (("exclamation",), expression(0.1), None),
        (("voice", "sound"), None, None),
        (("exclamation", "voice", "sound"), expression(-0.9, "quiet"), None),
        (("exclamation", "voice", "sound"), expression(0.9, "angry"), None),
    ],
)
def test_exasperation_needs_an_outcry_and_a_witness(
    listener: EmotionListener, votes: tuple[str, ...], voice: Emotion | None, certainty: str | None
) -> None:
    found = exasperation([voice] if voice else [], [complaint(*votes)], listener._rules["exasperated"])
    named = [e for e in found if e.named == "exasperated"]
    assert [certainty_of(e) for e in named] == ([certainty] if certainty else [])
    assert all({"words"} < set(e.votes) for e in named)
    assert len(found) <= 1


def test_nobodys_complaint_makes_nobody_exasperated(listener: EmotionListener) -> None:
    assert exasperation([], [complaint("exclamation", "sound", speaker=None)], listener._rules["exasperated"]) == []


def test_activation_says_animated_only_where_both_heads_do(listener: EmotionListener) -> None:
    assert listener._activation(1.0, 1.0) >= 0.5
    assert -0.5 < listener._activation(6.0, -0.5) < 0.5
    assert listener._activation(-2.0, -2.0) <= -0.5
