"""A hook of mkdocs: make the pages of the reference that follow from code and config files."""

import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from omegaconf import OmegaConf

from lottery.config.groups import Copying
from lottery.config.rules import Rule, show
from lottery.config.run_key import ADDED_LATER, LEFT_OUT, TRAINER_KEPT
from lottery.config.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
CONF = ROOT / "conf"
SETTINGS = """# Settings

Every key of ours, with its value when you type nothing. `lottery --cfg job` prints them with all
values of a command. The arguments of the options (`optimizer.lr`, `reinit.to` ...) are in
[Options](groups.md).

*In the key* says whether a value makes another run, with a folder of its own: **yes**; **no**: the
same run, done in another way or place; **if set**: the default value is left out, so that folders
of older versions keep their names.
"""
GROUPS = """# Options

The files below `conf/`: what each option of a group sets. Each value is a key, such as
`optimizer.lr=0.01`; a `_target_` is the class that gets the values. `experiment` is in
[Published experiments](experiments.md).
"""
COMMANDS = """# Commands

What each command says about itself.
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    pages = {
        "reference/settings.md": settings_page(),
        "reference/groups.md": groups_page(),
        "reference/commands.md": commands_page(),
    }
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def settings_page() -> str:
    """Return a table for each group of settings."""
    defaults = OmegaConf.to_container(OmegaConf.load(CONF / "config.yaml"))
    assert isinstance(defaults, dict)
    tables = {"The run": list(_rows(Settings, "", defaults))}
    for name, kind in get_type_hints(Settings).items():
        if name != "copying" and isinstance(kind, type) and _has_rules(kind):
            option = _default_option(name)
            values = {**option, **(defaults.get(name) or {})}
            tables[f"`{name}`"] = list(_rows(kind, f"{name}.", values))
    copying = OmegaConf.to_container(OmegaConf.load(CONF / "criterion/copy.yaml"))
    assert isinstance(copying, dict)
    tables["`criterion=copy`"] = list(_rows(Copying, "criterion.", copying))
    head = "| key | default | accepted | meaning | in the key |\n|---|---|---|---|---|\n"
    return SETTINGS + "".join(
        f"\n## {title}\n\n{head}{''.join(rows)}" for title, rows in tables.items() if rows
    )


def _has_rules(kind: type[Any]) -> bool:
    hints = get_type_hints(kind, include_extras=True)
    return any(get_origin(hint) is Annotated for hint in hints.values())


def _default_option(group: str) -> Mapping[str, Any]:
    """Return what the default option of a group sets."""
    for entry in OmegaConf.load(CONF / "config.yaml").defaults:
        if isinstance(entry, Mapping) and group in entry:
            loaded = OmegaConf.load(CONF / group / f"{entry[group]}.yaml")
            return dict(OmegaConf.to_container(loaded) or {})  # type: ignore[arg-type]
    return {}


def _rows(kind: type[Any], prefix: str, values: Mapping[str, Any]) -> Iterator[str]:
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if get_origin(hint) is not Annotated:
            continue
        _, rule, meaning = get_args(hint)
        assert isinstance(rule, Rule)
        key = f"{prefix}{name}"
        default = f"`{show(values[name])}`" if name in values else _default(kind, name)
        words = (rule.accepted, meaning, _in_key(key))
        plain = " | ".join(word.replace("|", "\\|").replace("_", "\\_") for word in words)
        yield f"| `{key}` | {default} | {plain} |\n"


def _default(kind: type[Any], name: str) -> str:
    return f"`{show(getattr(kind, name))}`" if hasattr(kind, name) else "by option"


def _in_key(key: str) -> str:
    if key in LEFT_OUT or key.startswith(("logger", "callbacks")):
        return "no"
    if key.startswith("trainer.") and key not in TRAINER_KEPT | {"trainer.lightning"}:
        return "no"
    return "if set" if key in ADDED_LATER else "yes"


def groups_page() -> str:
    """Return the config files of all groups, as they are."""
    text = GROUPS
    for group in sorted(path for path in CONF.iterdir() if path.is_dir()):
        if group.name in ("claims", "experiment", "hydra"):
            continue
        text += f"\n## `{group.name}`\n"
        for option in sorted(group.glob("*.yaml")):
            text += f"\n### `{group.name}={option.stem}`\n\n```yaml\n{option.read_text()}```\n"
    return text


def commands_page() -> str:
    """Return what each command prints for --help."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = COMMANDS
    for name, place in project["scripts"].items():
        module, function = place.split(":")
        program = f"import sys, {module}; sys.argv[0] = {name!r}; {module}.{function}()"
        command = [sys.executable, "-c", program, "--help"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        text += f"\n## `{name}`\n\n```text\n{done.stdout.strip()}\n```\n"
    return text
