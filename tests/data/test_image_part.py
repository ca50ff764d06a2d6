"""Parts of images: where they are, and that a part decoded small is the part decoded whole."""

import io
from functools import partial
from random import Random

import numpy as np
import pytest
from PIL import Image

from lottery.data.decode import Unreadable
from lottery.data.image_part import Part, central_part, decode_part, random_part


def _jpeg(width: int, height: int, mode: str = "RGB") -> bytes:
    across, down = np.meshgrid(np.linspace(0, 250, width), np.linspace(0, 250, height))
    pixels = np.stack([across, down, np.full_like(across, 90)], 2).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def test_random_parts_fit_and_cover_what_they_should() -> None:
    width, height = 60, 40
    parts = [random_part(width, height, Random(seed)) for seed in range(2000)]
    areas, ratios = [], []
    for part in parts:
        wide, high = part.right - part.left, part.bottom - part.top
        areas.append(wide * high / (width * height))
        ratios.append(wide / high)
        assert 0 <= part.left <= part.right <= width
        assert 0 <= part.top <= part.bottom <= height
    assert 0.08 <= min(areas) < 0.1
    assert 0.8 < max(areas) <= 1
    assert 3 / 4 - 1e-9 <= min(ratios) < 0.77
    assert 1.3 < max(ratios) <= 4 / 3 + 1e-9
    assert 0.45 < sum(part.mirrored for part in parts) / len(parts) < 0.55
    assert random_part(width, height, Random(7)) == parts[7]


def test_where_no_part_fits_the_middle_is_taken() -> None:
    part = random_part(1000, 10, Random(0))
    assert part.right - part.left == pytest.approx(10 * 4 / 3)
    assert (part.left + part.right, part.top, part.bottom) == (1000, 0, 10)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_part_is_cut_out_and_resized(mirrored: bool) -> None:
    def right_half(width: int, height: int) -> Part:
        return Part(width / 2, 0, width, height / 2, mirrored)

    planes = decode_part(_jpeg(400, 400), right_half, 50)
    assert planes.shape == (3, 50, 50)
    red = planes[0, 25, ::-1] if mirrored else planes[0, 25]
    assert np.abs(red - np.linspace(125, 250, 50)).max() < 4
    assert np.abs(planes[1, :, 25] - np.linspace(0, 125, 50)).max() < 4


@pytest.mark.parametrize(("size", "tolerance"), [(200, 1), (50, 4), (20, 4)])
def test_decoding_at_a_fraction_of_the_size_changes_little(size: int, tolerance: int) -> None:
    content = _jpeg(403, 301)
    whole = Image.open(io.BytesIO(content)).convert("RGB")
    part = central_part(403, 301, share=0.875)
    box = (part.left, part.top, part.right, part.bottom)
    expected = np.asarray(whole.resize((size, size), Image.Resampling.BILINEAR, box=box))
    got = decode_part(content, partial(central_part, share=0.875), size).transpose(1, 2, 0)
    assert np.abs(got.astype(int) - expected).max() <= tolerance


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_other_modes_become_colours(mode: str) -> None:
    assert decode_part(_jpeg(40, 30, mode), partial(central_part, share=1.0), 8).shape[0] == 3


@pytest.mark.parametrize("content", [b"", b"text", _jpeg(40, 30)[:-400]])
def test_what_is_no_image(content: bytes) -> None:
    with pytest.raises(Unreadable):
        decode_part(content, partial(central_part, share=1.0), 8)
