"""What can be wrong with a folder of weights, each with its own error; no torch is needed to see it."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import pytest

from earwitness.engines.qwen_folder import check
from earwitness.errors import NotReady, WeightsError


def tensors(path: Path, numbers: int = 4) -> Path:
    """A file of one tensor of so many float32."""
    header = json.dumps({"w": {"dtype": "F32", "shape": [numbers], "data_offsets": [0, 4 * numbers]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4 * numbers))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen3_omni_moe"}))
    (tmp_path / "tokenizer.json").write_text("{}")
    tensors(tmp_path / "model.safetensors")
    return tmp_path


def sharded(folder: Path) -> Path:
    (folder / "model.safetensors").unlink()
    names = [f"model-0000{i}-of-00003.safetensors" for i in (1, 2, 3)]
    for name in names:
        tensors(folder / name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {n: n for n in names}}))
    return folder


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_whole_folder_is_counted(folder: Path) -> None:
    found = check(folder)
    assert (found.numbers, found.stored) == (4, 16)
    found = check(sharded(folder))
    assert (len(found.files), found.numbers, found.stored) == (3, 12, 48)


@pytest.mark.parametrize("said", [None, "not json", "[]", '{"model_type": "llama"}', '{"model_type": "qwen3_omni"}'])
def test_no_checkpoint_or_another_architecture(folder: Path, said: str | None) -> None:
    (folder / "config.json").unlink()
    if said is not None:
        (folder / "config.json").write_text(said)
    with pytest.raises(NotReady, match=r"config\.json|of type .*qwen3_omni_moe") as caught:
        check(folder)
    assert "upstream" in str(caught.value), "the alternatives are named"
    assert "scene" in str(caught.value)


@pytest.mark.parametrize("name", ["model-00002-of-00003.safetensors", "tokenizer.json"])
def test_a_missing_file(folder: Path, name: str) -> None:
    sharded(folder)
    (folder / name).unlink()
    with pytest.raises(WeightsError, match=name) as caught:
        check(folder)
    assert caught.value.code == "weights_missing"


@pytest.mark.parametrize("keep", [0, 4, 30, -1])
def test_a_file_that_was_cut_short(folder: Path, keep: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(WeightsError, match=r"model\.safetensors") as caught:
        check(folder, sums=False)
    assert caught.value.code == "weights_corrupt"


def test_a_file_that_is_no_file_of_tensors(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"<html>please log in</html>" * 10)
    with pytest.raises(WeightsError, match="no file of tensors"):
        check(folder)


def listed(folder: Path, name: str, wrong: bool) -> None:
    """The list that sha256sum writes."""
    said = "0" * 64 if wrong else digest(folder / name)
    (folder / "SHA256SUMS").write_text(f"{said} *./{name}\n# a remark\n{'f' * 64}  another.file\n")


def left_by_the_downloader(folder: Path, name: str, wrong: bool) -> None:
    """A plain folder of the hub's downloader: commit, sum, time."""
    place = folder / ".cache" / "huggingface" / "download"
    place.mkdir(parents=True)
    said = "0" * 64 if wrong else digest(folder / name)
    (place / f"{name}.metadata").write_text(f"{'c' * 40}\n{said}\n1760000000.0\n")


def linked(folder: Path, name: str, wrong: bool) -> None:
    """The hub's cache: a link to a blob that is named by its sum."""
    path = folder / name
    blob = folder / ("0" * 64 if wrong else digest(path))
    path.rename(blob)
    path.symlink_to(blob.name)


@pytest.mark.parametrize("known", [listed, left_by_the_downloader, linked])
def test_a_wrong_sum(folder: Path, known: object) -> None:
    assert callable(known)
    known(folder, "model.safetensors", True)
    with pytest.raises(WeightsError, match="not the file that was published") as caught:
        check(folder)
    assert caught.value.code == "weights_corrupt"
    assert check(folder, sums=False).numbers == 4


@pytest.mark.parametrize("known", [listed, left_by_the_downloader, linked])
def test_a_right_sum(folder: Path, known: object) -> None:
    assert callable(known)
    known(folder, "model.safetensors", False)
    assert check(folder).numbers == 4
