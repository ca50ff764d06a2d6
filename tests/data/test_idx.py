"""The idx format: what is read from good files, and one line for every kind of bad one."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from lottery.data import idx
from lottery.data.errors import DataError
from lottery.data.idx import read_idx

# Two images of 2 rows and 3 columns, and five labels.
IMAGES = (
    b"\x00\x00\x08\x03"
    b"\x00\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00\x03"
    b"\x00\x01\x02\x03\x04\x05\xfa\xfb\xfc\xfd\xfe\xff"
)
LABELS = b"\x00\x00\x08\x01\x00\x00\x00\x05\x07\x02\x01\x00\x04"


def _write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


@pytest.mark.parametrize("name", ["images-ubyte", "images-ubyte.gz"])
def test_images_are_read_by_image_row_and_column(tmp_path: Path, name: str) -> None:
    images = read_idx(_write(tmp_path, name, IMAGES), 3)
    assert images.dtype == np.uint8
    assert images.tolist() == [[[0, 1, 2], [3, 4, 5]], [[250, 251, 252], [253, 254, 255]]]


@pytest.mark.parametrize("name", ["labels-ubyte", "labels-ubyte.gz"])
def test_labels_are_read_in_order(tmp_path: Path, name: str) -> None:
    assert read_idx(_write(tmp_path, name, LABELS), 1).tolist() == [7, 2, 1, 0, 4]


def test_sizes_are_big_endian(tmp_path: Path) -> None:
    content = b"\x00\x00\x08\x01\x00\x00\x01\x02" + bytes(258)
    assert read_idx(_write(tmp_path, "labels", content), 1).shape == (258,)


def _assert_refused(path: Path, num_dimensions: int, reason: str) -> None:
    with pytest.raises(DataError, match=reason) as caught:
        read_idx(path, num_dimensions)
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value).splitlines()) == 1


BAD_CONTENT = {
    "empty": (b"", "not an idx file"),
    "no idx file": (b"<html>Not Found</html>", "not an idx file"),
    "bad magic": (b"\x01" + LABELS[1:], "not an idx file"),
    "little-endian magic": (b"\x01\x08\x00\x00" + LABELS[4:], "not an idx file"),
    "signed bytes": (b"\x00\x00\x09" + LABELS[3:], "not an idx file of unsigned bytes"),
    "images for labels": (IMAGES, "3 dimensions, 1 for labels"),
    "one byte short": (LABELS[:-1], "12 bytes, 13 by its header"),
    "one byte too long": (LABELS + b"\x00", "14 bytes, 13 by its header"),
    "header alone": (LABELS[:8], "8 bytes, 13 by its header"),
    "more than there can be": (LABELS[:4] + b"\xff\xff\xff\xff", "8 bytes, 4294967303 by"),
}


@pytest.mark.parametrize("name", ["labels", "labels.gz"])
@pytest.mark.parametrize(
    ("content", "reason"),
    BAD_CONTENT.values(),
    ids=list(BAD_CONTENT),
)
def test_bad_content_is_one_line(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    _assert_refused(_write(tmp_path, name, content), 1, reason)


def test_labels_under_the_name_of_images_are_refused(tmp_path: Path) -> None:
    path = _write(tmp_path, "images", LABELS)
    _assert_refused(path, 3, "1 dimensions, 3 for images")


@pytest.mark.parametrize("length", range(16))
def test_a_header_cut_off_anywhere_is_one_line(tmp_path: Path, length: int) -> None:
    _assert_refused(_write(tmp_path, "images", IMAGES[:length]), 3, "idx file|cut off")


def test_sizes_whose_product_overflows_are_refused(tmp_path: Path) -> None:
    """2^31 * 2^31 * 4 = 2^64, which is 0 in 64 bits: the file would seem to be complete."""
    sizes = b"\x80\x00\x00\x00" * 2 + b"\x00\x00\x00\x04"
    _assert_refused(_write(tmp_path, "images", IMAGES[:4] + sizes), 3, "16 bytes")


@pytest.mark.parametrize("length", [1, 10, 15, 25, -8, -1])
def test_a_gz_file_cut_off_anywhere_is_one_line(tmp_path: Path, length: int) -> None:
    path = tmp_path / "labels.gz"
    path.write_bytes(gzip.compress(LABELS)[:length])
    _assert_refused(path, 1, "ended before|[Nn]ot a gzipped file")


def test_damaged_gz_content_is_one_line(tmp_path: Path) -> None:
    whole = gzip.compress(LABELS)
    for position in (12, len(whole) - 6):  # in the compressed data, and in their checksum
        path = tmp_path / f"{position}.gz"
        path.write_bytes(whole[:position] + b"\xff\xff" + whole[position + 2 :])
        _assert_refused(path, 1, "invalid|CRC check failed")


def test_a_gz_name_without_gz_content_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "labels.gz"
    path.write_bytes(LABELS)
    _assert_refused(path, 1, "[Nn]ot a gzipped file")


def test_gz_content_without_a_gz_name_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "labels"
    path.write_bytes(gzip.compress(LABELS))
    _assert_refused(path, 1, "not an idx file")


@pytest.mark.parametrize("name", ["labels", "labels.gz"])
def test_a_missing_file_and_a_folder_are_one_line(tmp_path: Path, name: str) -> None:
    _assert_refused(tmp_path / name, 1, "No such file")
    (tmp_path / name).mkdir()
    _assert_refused(tmp_path / name, 1, "Is a directory")


def test_a_gz_file_that_grows_without_end_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idx, "MOST_BYTES", 1000)
    _assert_refused(_write(tmp_path, "labels.gz", bytes(1001)), 1, "more than 1,000 bytes")
