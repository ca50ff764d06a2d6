"""Images of every mode and size as planes of bytes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lottery.data.decode import Unreadable, decode
from tests.helpers.toy_image_folders import write_image


def _encoded(tmp_path: Path, image: Image.Image, ending: str = "png") -> bytes:
    path = tmp_path / f"image.{ending}"
    image.save(path)
    return path.read_bytes()


def test_an_image_of_the_asked_size_is_its_own_planes(tmp_path: Path) -> None:
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    planes = decode(_encoded(tmp_path, Image.fromarray(pixels)), 2, 3)
    assert planes.tolist() == pixels.transpose(2, 0, 1).tolist()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "I", "YCbCr"])
def test_every_mode_becomes_three_planes(tmp_path: Path, mode: str) -> None:
    white = Image.new("RGB", (5, 4), (255, 255, 255))
    if mode.startswith("I"):
        image = Image.fromarray(np.full((4, 5), 65_535, dtype=np.uint16))
        image = image.convert("I") if mode == "I" else image
    else:
        image = white.convert(mode)
    ending = {"CMYK": "tif", "YCbCr": "jpg", "I": "tif"}.get(mode, "png")
    planes = decode(_encoded(tmp_path, image, ending), 7, 9)
    assert planes.shape == (3, 7, 9)
    assert (planes == 255).all()


def test_16_bits_become_8(tmp_path: Path) -> None:
    grey = np.array([[0, 257, 32_896, 65_535]], dtype=np.uint16)
    planes = decode(_encoded(tmp_path, Image.fromarray(grey)), 1, 4)
    assert planes.tolist() == [[[0, 1, 128, 255]]] * 3


def test_a_transparent_palette_gives_its_colours_without_a_warning(tmp_path: Path) -> None:
    image = Image.new("P", (2, 2), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    path = tmp_path / "image.png"
    image.save(path, transparency=b"\x00\x80")
    assert decode(path.read_bytes(), 1, 1).flatten().tolist() == [10, 20, 30]


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_what_is_no_whole_image_is_refused(tmp_path: Path, damage: str) -> None:
    write_image(tmp_path / "image.jpg", 100)
    content = (tmp_path / "image.jpg").read_bytes()
    damaged = {"cut": content[: len(content) * 3 // 4], "text": b"no image", "empty": b""}
    with pytest.raises(Unreadable, match="(?i)truncated" if damage == "cut" else "no image"):
        decode(damaged[damage], 4, 4)


def test_floating_point_pixels_are_refused(tmp_path: Path) -> None:
    """Pillow would cut them to whole numbers: pixels in [0, 1] would be black."""
    image = Image.fromarray(np.full((2, 2), 0.7, dtype=np.float32))
    with pytest.raises(Unreadable, match=r"^floating-point pixels; save it with 8 or 16 bits$"):
        decode(_encoded(tmp_path, image, "tif"), 4, 4)
