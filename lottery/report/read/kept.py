"""Which weights are left by unit and by input pixel, from the masks of a round; without torch."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from lottery.record.files import DamagedFile
from lottery.record.opened_run import OpenedRun
from lottery.record.tensor_header import check_header, damaged_tensors
from lottery.report.read.runs import read_each
from lottery.report.read.settings import Setting, with_own_masks

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Shares = npt.NDArray[np.float64]
    Masks = dict[str, npt.NDArray[np.bool_]]

MOST_SETTINGS = 24  # whose masks are read
MOST_BYTES = 1 << 27  # of a file; reading and checking more would take longer than the rest


@dataclass(frozen=True)
class LayerUnits:
    """The shares of the weights left of each input unit and each output unit of a layer."""

    name: str
    by_input: "Shares"
    by_output: "Shares"


@dataclass(frozen=True)
class KeptWeights:
    """What is left in one round of a setting's first run."""

    label: str  # of the setting
    seed: int
    round: int
    remaining: float
    layers: tuple[LayerUnits, ...]
    pixels: "Shares | None"  # (height, width), where the first layer sees every pixel by itself


def find_kept(settings: Sequence[Setting]) -> tuple[list[KeptWeights], list[str]]:
    """Return what is left in settings with masks of their own, and a line for what is not read.

    Settings without a pruned round are left out, and those whose masks have been deleted.
    """
    own = with_own_masks(settings)
    found, problems = read_each(_read_setting, own[:MOST_SETTINGS])
    kept = [one for one in found if one]
    if kept and len(own) > MOST_SETTINGS:
        problems.append(f"Figure 11 shows the first {MOST_SETTINGS} of {len(own)} settings.")
    return kept, problems


def _read_setting(setting: Setting) -> KeptWeights | None:
    run = setting.started
    pruned = [number for number in run.finished_rounds if number]
    best = setting.best_pruned_round()
    number = best if best in pruned else max(pruned, default=0)
    path = run.folder.round(number).masks
    if not number or not path.exists():
        return None
    if (size := path.lstat().st_size) > MOST_BYTES:
        raise DamagedFile(f"{path}: {size >> 20:,} MiB of masks, too many for figure 11")
    masks, record = read_masks(path, run.digest_of(path)), run.record(number)
    names = [name for name in record["layers"] if name in masks]
    return KeptWeights(
        label=setting.label,
        seed=run.seed,
        round=number,
        remaining=record["row"]["remaining"],
        layers=tuple(
            LayerUnits(name, _shares(masks[name], 1), _shares(masks[name], 0))
            for name in names
            if masks[name].ndim > 1
        ),
        pixels=_pixels(run, masks[names[0]]) if names else None,
    )


def read_masks(path: Path, expected: str | None) -> "Masks":
    """Read masks as numpy arrays; their digest must be the expected one and the file's own.

    Raises:
        DamagedFile: it is not what was written.
    """
    from safetensors import SafetensorError, safe_open

    check_header(path)
    try:
        with safe_open(path, framework="np") as file:
            stated = (file.metadata() or {}).get("digest")
            masks = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, TypeError) as error:  # a type that numpy does not have
        raise damaged_tensors(path, str(error)) from error
    if any(mask.dtype.name != "bool" for mask in masks.values()):
        raise damaged_tensors(path, "its masks are not of the type bool")
    if not all(mask.size for mask in masks.values()):  # no share of nothing
        raise damaged_tensors(path, "one of its masks is empty")
    if _digest(masks) not in (expected or stated, None) or stated not in (None, _digest(masks)):
        raise damaged_tensors(path, "its digest is another")
    return masks


def _digest(masks: "Masks") -> str:
    """Return what `lottery.tensors.digest` returns for the same masks as tensors."""
    result = hashlib.sha256()
    for name, mask in sorted(masks.items()):
        result.update(f"{name} torch.bool {tuple(mask.shape)}".encode())
        result.update(mask.tobytes())
    return result.hexdigest()


def _shares(mask: "npt.NDArray[np.bool_]", axis: int) -> "Shares":
    others = tuple(other for other in range(mask.ndim) if other != axis)
    shares: Shares = mask.mean(axis=others)
    return shares


def _pixels(run: OpenedRun, first: "npt.NDArray[np.bool_]") -> "Shares | None":
    """Return the shares by pixel, mean over the colours; None for what is no image."""
    shape = run.run_json.get("input_shape") or []
    if len(shape) != 3 or min(shape[1:]) < 2 or first.ndim != 2 or first.shape[1] != prod(shape):
        return None
    pixels: Shares = _shares(first, 1).reshape(shape).mean(axis=0)
    return pixels
