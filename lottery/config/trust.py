"""What is made from a stored file (run.json, ticket.json): a closed list, or what a user trusts.

A stranger writes the digests of a file too, so digests say nothing about who wrote it.
"""

import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from math import prod
from pathlib import Path
from types import FunctionType
from typing import Any

from lottery.config.rules import first_line, get_nested
from lottery.config.run_key import PATHS
from lottery.config.targets import find_nodes
from lottery.errors import ConfigError, LotteryError, UntrustedCode
from lottery.record.files import DamagedFile

# The packages whose classes are made, by their public names, and where these classes are defined.
OURS = (
    "lottery.data",
    "lottery.dynamic",
    "lottery.models",
    "lottery.pruning",
    "lottery.reinit",
    "lottery.tasks",
    "lottery.training.native",
    "lottery.training.schedules",
)
DEFINED_IN = {name: name for name in OURS} | {
    "torch.nn": "torch.nn.modules",
    "torch.optim": "torch.optim",
}
LOSSES = "torch.nn.functional"
LARGEST = 2**31  # numbers in one example, times classes, times tokens
NO_FILES = ("/dev", "/proc", "/sys")


def check_trusted(value: Any, where: str, *, trust_code: bool) -> None:
    """Check everything that would be made from a stored value, before anything is imported.

    Args:
        value: plain containers that hold nodes.
        where: the file, and the key of the value in it.
        trust_code: the user's word, with which anything is made.
    """
    if trust_code:
        return
    for text in _texts(value):
        if "${" in text:  # Hydra would put in what it stands for, nodes too
            raise UntrustedCode(f"{where}: {printable(text)}: an interpolation")
    nodes = [node for _, node in find_nodes(value) if not is_listed(node["_target_"])]
    names = sorted({printable(node["_target_"]) for node in nodes})
    if names:
        modules = sorted({name.rpartition(".")[0] or name for name in names})
        raise UntrustedCode(
            f"{where}: names {', '.join(names)}, neither lottery's nor torch's; making it would "
            f"import and run {', '.join(modules)}"
        )


def is_listed(name: object) -> bool:
    """Return whether a dotted name is on the closed list.

    It is one class of ours, layer or optimizer of torch's, or loss of torch's, by the name of its
    package and its own. It must be defined there: `lottery.models.torch` is a name too.
    """
    package, _, last = str(name).rpartition(".")
    if package == LOSSES:
        found = vars(import_module(package)).get(last)
        is_loss = last.endswith(("_loss", "cross_entropy")) or last == "kl_div"
        return is_loss and isinstance(found, FunctionType) and found.__module__ == package
    if package not in DEFINED_IN:
        return False
    found = vars(import_module(package)).get(last)
    home = f"{DEFINED_IN[package]}."
    return isinstance(found, type) and f"{found.__module__}.".startswith(home)


def check_paths(config: Mapping[str, Any], where: str) -> None:
    """Check that the paths in stored settings are plain files or folders, where they exist.

    Reading a pipe or a device could wait for ever.
    """
    for key in sorted(PATHS):
        path = get_nested(config, key)
        if isinstance(path, str) and not _is_plain(path):
            raise ConfigError(f"{where}: {key}={printable(path)}: no plain file or folder")


def check_sizes(entry: Mapping[str, Any], where: str) -> None:
    """Check the stored sizes of a network's inputs and outputs before memory is taken for them."""
    shape = entry.get("input_shape")
    outputs = entry.get("output_shape") or [entry.get("num_classes")]
    sizes = [*shape, *outputs, entry.get("num_tokens") or 1] if shape else [0]
    if any(type(size) is not int or size < 1 for size in sizes) or prod(sizes) > LARGEST:
        raise DamagedFile(
            f"{where}: input_shape, num_classes, output_shape, num_tokens: no sizes of real data"
        )


@contextmanager
def making_from(where: str, *, trust_code: bool) -> Iterator[None]:
    """Blame the stored file for errors while it is used: all that is made is ours or torch's.

    What a trusted class raises is left as it is.
    """
    try:
        yield
    except ConfigError as error:
        if isinstance(error, UntrustedCode) or str(error).startswith(where):
            raise
        raise ConfigError(f"{where}: {error}") from error
    except LotteryError:
        raise
    except Exception as error:
        if trust_code:
            raise
        what = f"{type(error).__name__}: {first_line(error)}"
        raise DamagedFile(f"{where}: does not fit together: {what}") from error


def printable(text: object) -> str:
    """Return a text of a stored file for a message: one short line, whatever is in it."""
    shown = str(text)
    return shown if shown.isprintable() and len(shown) <= 200 else ascii(shown[:200])


def _is_plain(path: str) -> bool:
    try:
        mode, real = Path(path).stat().st_mode, Path(path).resolve()
    except FileNotFoundError:
        return True
    except (OSError, ValueError):  # a name that is too long, or holds a zero
        return False
    inside = any(real.is_relative_to(folder) for folder in NO_FILES)
    return (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) and not inside


def _texts(value: Any) -> list[str]:
    """Return all texts in plain containers, keys too."""
    if isinstance(value, Mapping):
        return [text for item in value.items() for part in item for text in _texts(part)]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) else []
