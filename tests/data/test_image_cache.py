"""Decoded images are kept on disk, found again, and made anew where they must be."""

import os
import shutil
from collections.abc import Iterator
from errno import ENOSPC
from pathlib import Path
from time import sleep
from typing import NoReturn

import numpy as np
import pytest
import torch

from lottery.config import ProcessRank
from lottery.data import DataError, image_cache
from tests.conftest import snapshot
from tests.helpers.ranks import on_ranks
from tests.helpers.toy_image_folders import SIZE, image_folder, write_image, write_images


@pytest.fixture(autouse=True)
def users_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache folder, empty."""
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    return cache


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Ten cats, dark, and ten dogs, bright; no list."""
    return write_images(tmp_path / "pets")


def _not_again(*_: object) -> NoReturn:
    raise AssertionError("decoded again")


def test_images_are_decoded_once_and_mapped(pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = image_folder(pets).load()
    (file,) = (pets / ".lottery_cache").glob("*.npy")
    assert np.load(file).shape == (20, 3, 8, 6)
    monkeypatch.setattr(image_cache, "decode", _not_again)
    again = image_folder(pets, normalize="mean_std", split_seed=1).load()
    assert torch.equal(again.train.inputs, first.train.inputs)
    shared = {split.inputs.data_ptr() for split in (again.train, again.val, again.test)}
    assert len(shared) == 1
    again.train.inputs.zero_()  # in memory alone
    assert torch.equal(image_folder(pets).load().train.inputs, first.train.inputs)


@pytest.mark.parametrize("change", ["image", "time", "list", "size"])
def test_what_has_changed_is_decoded_anew(pets: Path, change: str) -> None:
    first = image_folder(pets).load()
    if change == "image":
        write_image(pets / "cat.0.png", 150)
    if change == "time":
        os.utime(pets / "cat.0.png")
    if change == "list":
        text = (pets / "metadata.csv").read_text()
        (pets / "metadata.csv").write_text(text.replace("cat.0.png,cat\n", ""))
    size = [4, 4] if change == "size" else SIZE
    other = image_folder(pets, image_size=size).load()
    assert len(list((pets / ".lottery_cache").glob("*.npy"))) == 2
    if change == "time":
        assert other.digests() == first.digests()
    else:
        assert other.digests() != first.digests()


@pytest.mark.parametrize("damage", ["magic", "header", "pixel", "cut", "empty"])
def test_a_damaged_cache_is_made_anew(
    pets: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = image_folder(pets).load()
    (file,) = (pets / ".lottery_cache").glob("*.npy")
    content = bytearray(file.read_bytes())
    place = {"magic": 0, "header": 60, "pixel": 500}.get(damage, 0)
    content[place] ^= 1
    damaged = {"cut": bytes(content[:500]), "empty": b""}.get(damage, bytes(content))
    (pets / "damaged").write_bytes(damaged)
    (pets / "damaged").rename(file)  # `first` still is what it was
    again = image_folder(pets).load()
    assert again.digests() == first.digests()
    assert torch.equal(again.train.inputs, first.train.inputs)
    assert f"{file} is damaged" in caplog.text


def test_all_bytes_are_read_once(pets: Path) -> None:
    """A false digest is not noticed: it stands in both small files, and nobody reads the bytes."""
    name = "the images in pets/"
    true, false = image_folder(pets).load().digests()[name], 64 * "0"
    (digest,) = (pets / ".lottery_cache").glob("*.sha256")
    (note,) = (pets / ".lottery_cache").glob("*.checked")
    for file in (digest, note):
        file.write_text(file.read_text().replace(true, false))
    assert image_folder(pets, may_write=False).load().digests()[name] == false
    pixels = digest.with_suffix(".npy")
    shutil.copy(pixels, pets / "copy")
    (pets / "copy").replace(pixels)  # the same bytes at another place on the disk
    assert image_folder(pets).load().digests()[name] == true


@pytest.mark.parametrize("noted", ["same", "none", "other file"])
def test_a_byte_changed_in_place_is_noticed(
    pets: Path, noted: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its time of change can be set back, as by a program that copies; that of its status not."""
    first = image_folder(pets).load().digests()
    (file,) = (pets / ".lottery_cache").glob("*.npy")
    (note,) = (pets / ".lottery_cache").glob("*.checked")
    before = file.stat()
    if noted == "none":
        note.unlink()
    if noted == "other file":
        note.write_text(note.read_text().replace(first["the images in pets/"], 64 * "0"))
    with file.open("r+b") as opened:
        opened.seek(500)
        opened.write(b"\1")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert image_folder(pets).load().digests() == first
    assert f"{file} is damaged" in caplog.text


def test_beside_read_only_images_the_users_cache_is_used(
    pets: Path, users_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = image_folder(pets).load()
    shutil.rmtree(pets / ".lottery_cache")
    is_writable = image_cache._is_writable

    def not_beside(place: Path) -> bool:
        return pets not in place.parents and is_writable(place)

    monkeypatch.setattr(image_cache, "_is_writable", not_beside)
    second = image_folder(pets).load()
    assert second.digests() == first.digests()
    (file,) = users_cache.rglob("*.npy")
    assert file.parent.name.startswith("pets_")
    assert not (pets / ".lottery_cache").exists()
    monkeypatch.setattr(image_cache, "decode", _not_again)
    assert image_folder(pets).load().digests() == first.digests()
    file.unlink()
    monkeypatch.setattr(image_cache, "_is_writable", lambda place: False)
    with pytest.raises(DataError, match=r"neither .*pets/.lottery_cache nor .* can be written"):
        image_folder(pets).load()


def _load_slowly(process: ProcessRank, path: Path) -> dict[str, str]:
    decode = image_cache.decode

    def decode_slowly(content: bytes, height: int, width: int) -> image_cache.Bytes:
        sleep(0.02)  # long enough for the other to come
        with (path.parent / "decoded").open("a") as file:
            file.write(".")
        return decode(content, height, width)

    image_cache.decode = decode_slowly  # in this process alone
    return image_folder(path).load().digests()


def test_of_two_processes_one_lists_and_decodes(pets: Path) -> None:
    first, second = on_ranks(2, _load_slowly, pets)
    assert first == second == image_folder(pets).load().digests()
    assert len((pets.parent / "decoded").read_text()) == 20
    assert len(list((pets / ".lottery_cache").glob("*.npy"))) == 1


def test_a_full_disk_is_one_line_and_leaves_no_half_file(
    pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decoded(*_: object) -> Iterator[image_cache.Bytes]:
        yield np.zeros((3, 8, 6), dtype=np.uint8)
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(image_cache, "_decoded", decoded)
    with pytest.raises(DataError, match=r"pets/.lottery_cache/8x6_20_.*: No space left") as caught:
        image_folder(pets).load()
    assert len(str(caught.value).splitlines()) == 1
    assert [path.suffix for path in (pets / ".lottery_cache").iterdir()] == [".lock"]


def test_a_dry_run_makes_neither_list_nor_cache(pets: Path) -> None:
    before = snapshot(pets)
    splits = image_folder(pets, may_write=False).load()
    assert snapshot(pets) == before
    assert splits.digests() == image_folder(pets).load().digests()
