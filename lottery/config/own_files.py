"""The user's own files that a run's numbers depend on, with their digests."""

import hashlib
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lottery.config.main_code import is_in_main, main_digests
from lottery.config.source import imports
from lottery.config.targets import MAIN, find_nodes, load_target

PACKAGE = Path(__file__).resolve().parents[1]


def file_digests(config: Mapping[str, Any]) -> dict[str, str]:
    """Return sha256 of the files of users' `_target_`s and of all that they import, by module.

    Imports are read from the source, so that those inside functions count. Loggers and callbacks
    are left out: they may change during a run. Of a notebook or script there are digests by
    definition: only what the run rests on counts.
    """
    shaping = {key: node for key, node in config.items() if key not in ("logger", "callbacks")}
    targets = {key: load_target(node, key) for key, node in find_nodes(shaping)}
    todo = {target.__module__ for target in targets.values() if not is_in_main(target)}
    done: set[str] = {MAIN}
    digests: dict[str, str] = {}
    for key, target in targets.items():
        if is_in_main(target):
            found, modules = main_digests(target, key)
            digests |= found
            todo |= modules
    todo -= done
    while todo:
        name = todo.pop()
        done.add(name)
        file = own_file(name)
        if file is not None:
            source = file.read_bytes()
            digests[f"{name.replace('.', '/')}.py"] = hashlib.sha256(source).hexdigest()
            package = name if file.name == "__init__.py" else name.rpartition(".")[0]
            todo |= set(imports(source, package))
        todo.add(name.rpartition(".")[0])  # a package is imported before its modules
        todo -= done | {""}
    return digests


def own_file(module: str) -> Path | None:
    """Return the file of a user's module; None for Python's, ours, installed and missing ones."""
    if module.partition(".")[0] in sys.stdlib_module_names:
        return None
    inner = module.replace(".", "/")
    ends = (f"{inner}/__init__.py", f"{inner}.py")
    files = [Path(folder, end) for folder in sys.path for end in ends]
    if module in sys.modules:
        files = [Path(getattr(sys.modules[module], "__file__", None) or "")]
    file = next((file for file in files if file.is_file()), None)
    installed = {"site-packages", "dist-packages"}
    library = Path(sysconfig.get_paths()["stdlib"])
    if file is None or installed & set(file.parts) or {library, PACKAGE} & set(file.parents):
        return None
    return file
