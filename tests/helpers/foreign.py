"""Runs and tickets as a stranger would forge them: every digest fits."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lottery.config.run_key import canonical
from lottery.record.records import read_record, read_run_json, write_record, write_run_json
from lottery.record.run_dir import RunDir

Node = dict[str, Any]

OURS_ON_MODEL = {"loss": "cross_entropy", "rates": []}


def calls(mark: Path) -> dict[str, Node]:
    """Return nodes that make a file or folder when they are made, by what they are."""
    lenet, folder = "lottery.models.LeNet300100", str(mark)
    node_text = f"{{_target_:os.mkdir,path:{mark}}}"
    mkdir = {"_target_": "os.mkdir", "path": folder}
    return {
        # Hydra refuses these itself, in its later versions
        "os.system": {"_target_": "os.system", "command": f"touch {mark}"},
        "eval": {"_target_": "builtins.eval", "_args_": [f"open({folder!r}, 'w').close()"]},
        "run_path": {"_target_": "runpy.run_path", "path_name": "evil.py"},
        # ... and not these
        "module": {"_target_": "evil.Net"},
        "mkdir": mkdir,
        "through ours": {"_target_": "lottery.config.provenance.os.mkdir", "path": folder},
        "through torch": {"_target_": "torch.nn.functional.torch.hub.os.mkdir", "path": folder},
        "inside": {"_target_": lenet, "_args_": [mkdir]},
        "interpolated": {"_target_": lenet, "x": "${oc.create:" + node_text + "}"},
    }


def write_evil(folder: Path, mark: Path) -> None:
    """Write a module that makes a file when it is imported."""
    (folder / "evil.py").write_text(f"open({str(mark)!r}, 'w').close()\n")


def forge_run(path: Path, **groups: Mapping[str, Any]) -> None:
    """Change groups of a run's settings, and make the rest of run.json fit."""
    folder = RunDir(path)
    entry: Any = read_run_json(folder)
    settings = {**entry["settings"], **groups}
    write_run_json(folder, {**entry, "settings": settings, "config": canonical(settings)})
    link_again(folder)


def link_again(folder: RunDir, digests: Mapping[Path, str] = MappingProxyType({})) -> None:
    """Make the chain of a run's records fit what is there; `digests` are of changed files."""
    for number in folder.finished_rounds():
        record, files = read_record(folder.round(number)), folder.round(number).path
        changed = {path.name: digest for path, digest in digests.items() if path.parent == files}
        write_record(folder, record, record["links"]["files"] | changed)
