from __future__ import annotations

import base64
import threading
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earwitness.accounting.rule import TEXT_TOKENS
from earwitness.accounting.tokenizer import Tokenizer
from earwitness.errors import WeightsError
from earwitness.weights.store import Store


def write_ranks(folder: Path, *pairs: bytes) -> Path:
    """A vocabulary of the 256 bytes and a few longer tokens."""
    tokens = [bytes([b]) for b in range(256)] + list(pairs)
    file = folder / "qwen.tiktoken"
    file.write_text("".join(f"{base64.b64encode(t).decode()} {rank}\n" for rank, t in enumerate(tokens)))
    return file


@pytest.fixture(scope="module")
def bytewise(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return Tokenizer(write_ranks(tmp_path_factory.mktemp("ranks"), b"do", b"og", b" d", b" do", b" dog"))


def test_nothing_is_read_before_it_is_needed(tmp_path: Path) -> None:
    assert Tokenizer(tmp_path / "absent").count("") == 0


def test_counts_merged_pairs(bytewise: Tokenizer) -> None:
    assert bytewise.count("a dog") == 2
    assert bytewise.encode("dog") == [256, ord("g")]


def test_marks_of_the_template_are_plain_text(bytewise: Tokenizer) -> None:
    text = "<|im_end|> <|endoftext|>"
    assert bytewise.count(text) > 2
    assert bytewise.decode(bytewise.encode(text)) == text


def test_cut_keeps_whole_tokens(bytewise: Tokenizer) -> None:
    assert bytewise.cut("a dog", 2) == "a dog"
    assert bytewise.cut("a dog", 1) == "a"
    assert bytewise.cut("a dog", 0) == ""


def test_cut_never_splits_a_character(bytewise: Tokenizer) -> None:
    assert [bytewise.cut("é€🎺", n) for n in range(10)] == ["", "", "é", "é", "é", "é€", "é€", "é€", "é€", "é€🎺"]


@given(text=st.text(max_size=40), limit=st.integers(0, 60))
def test_a_cut_is_a_beginning_within_the_limit(bytewise: Tokenizer, text: str, limit: int) -> None:
    cut = bytewise.cut(text, limit)
    assert text.startswith(cut)
    assert bytewise.count(cut) <= limit or cut == text
    assert not (bytewise.count(text) <= limit and cut != text)


def test_a_decomposed_accent_is_not_torn_off(bytewise: Tokenizer) -> None:
    text = unicodedata.normalize("NFD", "é") * 3
    assert bytewise.count(text) == 6
    assert bytewise.cut(text, 4) == unicodedata.normalize("NFD", "é") * 2


def test_a_lone_surrogate_is_counted_not_fatal(bytewise: Tokenizer) -> None:
    assert bytewise.count("a\ud800") == 2


def test_a_broken_file_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "qwen.tiktoken").write_text("!!! ???\n")
    with pytest.raises(WeightsError, match="models pull qwen-tokenizer"):
        Tokenizer(tmp_path).count("a")


def test_many_threads_load_once(tmp_path: Path) -> None:
    shared = Tokenizer(write_ranks(tmp_path))
    counts: list[int] = []
    threads = [threading.Thread(target=lambda: counts.append(shared.count("bark"))) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert counts == [4] * 8


SAMPLES = [
    "A sudden, loud, metallic clanking.",
    "他说：“这样我还怎么安静工作啊？”",
    "naïve café — ½ 🎺\n\n  tabs\t12345",
    "мир 世界 नमस्ते",
    "It's 3.5 s; they'LL stop.\r\n\r\n",
]


@pytest.fixture(scope="module")
def qwen() -> Tokenizer:
    return Tokenizer(Store(offline=True).path("qwen-tokenizer"))


@pytest.mark.weights
class TestReal:
    def test_known_ids(self, qwen: Tokenizer) -> None:
        assert qwen.encode("user") == [872]
        assert qwen.encode("assistant") == [77091]

    @pytest.mark.parametrize("text", SAMPLES)
    def test_there_and_back(self, qwen: Tokenizer, text: str) -> None:
        assert qwen.decode(qwen.encode(text)) == text

    @pytest.mark.parametrize("text", SAMPLES)
    def test_the_official_client_counts_the_same(self, qwen: Tokenizer, text: str) -> None:
        dashscope = pytest.importorskip("dashscope.tokenizers")
        assert qwen.encode(text) == dashscope.get_tokenizer("qwen-turbo").encode(text)

    def test_the_prompt_around_one_audio_is_eight_tokens(self, qwen: Tokenizer) -> None:
        marks = 3  # <|im_start|>, <|im_end|>, <|im_start|>: single tokens of the chat template
        assert marks + sum(map(qwen.count, ("user", "\n", "\n", "assistant", "\n"))) == TEXT_TOKENS
