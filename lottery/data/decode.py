"""Decode images of any size and mode into red, green and blue planes of one size."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

Bytes = npt.NDArray[np.uint8]

HIGHEST_16 = 65_535


class Unreadable(Exception):
    """The content is no image, or a damaged one; the message is the reason."""

    @classmethod
    def because(cls, error: Exception) -> "Unreadable":
        """Return it for an error of Pillow's."""
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        # Pillow's text names the buffer that we gave it
        return cls("no image" if "BytesIO" in reason else reason)


def decode(content: bytes, height: int, width: int) -> Bytes:
    """Return an image resized to (3, height, width), whatever its shape (bilinear, antialiased).

    Grey images get three equal planes, transparency is dropped, 16 bits become 8.

    Raises:
        Unreadable: Pillow cannot read it, or it is cut off.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            resized = in_colour(image).resize((width, height), Image.Resampling.BILINEAR)
    except Exception as error:  # Pillow raises many kinds for damaged images
        raise Unreadable.because(error) from error
    return np.ascontiguousarray(np.asarray(resized).transpose(2, 0, 1))


def in_colour(image: Image.Image) -> Image.Image:
    """Return an image in red, green and blue of 8 bits each."""
    if image.mode.startswith("I"):  # whole numbers of 16 bits, which Pillow would cut off at 255
        numbers = np.asarray(image).astype(np.int64).clip(0, HIGHEST_16)
        return Image.fromarray((numbers // 257).astype(np.uint8)).convert("RGB")
    if image.mode == "F":  # Pillow would cut 0.7 to 0
        raise Unreadable("floating-point pixels; save it with 8 or 16 bits")
    if image.mode == "P":  # a palette may have transparent colours
        image = image.convert("RGBA")
    return image.convert("RGB")
