"""Checks of a network's arguments: a ValueError that begins with the argument's name."""

from typing import Any

from lottery.arguments import check_whole

DEEPEST = 2000  # layers or blocks; ResNet-1202 is the deepest that was published


def check_images(input_shape: tuple[int, ...], least: int | None = None) -> None:
    """Check that examples are images, of at least `least` by `least` pixels."""
    if len(input_shape) == 3 and min(input_shape[1:]) >= (least or 1):
        return
    accepted = f"{least} or more, {least} or more" if least else "height, width"
    raise ValueError(f"input_shape={input_shape}: (channels, {accepted})")


def check_depth(depth: Any, at_least: int) -> None:
    """Check a number of layers or blocks; to make a billion of them would never end."""
    check_whole("depth", depth, at_least, at_most=DEEPEST)


def check_dropout(dropout: Any) -> None:
    """Check a share of units to drop."""
    if not isinstance(dropout, int | float) or not 0 <= dropout < 1:
        raise ValueError(f"dropout={dropout}: a number >= 0 and below 1")


def check_heads(width: int, heads: int) -> None:
    """Check that a layer of `width` units divides evenly into attention heads."""
    if width % heads:
        raise ValueError(f"heads={heads}: a divisor of width={width}")
