"""A run's settings: checked once, with types, and what follows from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from lottery.config import groups
from lottery.config.groups import FLAG, SEED, TEXT, read_values
from lottery.config.known_keys import suggest_key
from lottery.config.rules import Rule, duration, one_of, show, whole
from lottery.config.run_key import canonical, copies_masks, key_of
from lottery.config.targets import Node
from lottery.errors import ConfigError
from lottery.record.durations import Duration
from lottery.record.run_dir import RunDir
from lottery.seeds import derive_seed

NODE = Rule(lambda v: isinstance(v, Mapping), "a _target_ and its arguments")
NODES = Rule(
    lambda v: v is None or isinstance(v, Mapping),
    "names, each with a _target_ and its arguments",
    lambda v: v or {},
)


TARGET = Rule(
    lambda v: v is None or isinstance(v, Mapping),
    "a _target_ and its arguments",
    lambda v: v if v and v.get("_target_") is not None else None,
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a run.

    `copying` is None if the run makes its own masks. `config` is the composed config as plain
    containers.
    """

    seed: Annotated[int, SEED, "one number that all random numbers of the run come from"]
    rounds: Annotated[int, whole(0, 10_000), "prunings; round 0 is dense"]
    iterations: Annotated[Duration, duration(1), "optimizer steps per round"]
    output_dir: Annotated[str, TEXT, "folder of all runs"]
    keep: Annotated[str, one_of("all", "winner"), "which rounds' weights stay on disk"]
    adopt: Annotated[bool, FLAG, "take round 0 from a run that has trained the same one"] = True
    short: Annotated[bool, FLAG, "use the values of `shortened`"] = False
    dry_run: Annotated[bool, FLAG, "check everything, train and write nothing"] = False
    seeds: groups.Seeds
    pruning: groups.Pruning
    evaluation: groups.Evaluation
    early_stopping: groups.EarlyStopping
    early_bird: groups.EarlyBird
    checkpoint: groups.Checkpoint
    trainer: groups.Trainer
    dataset: groups.Dataset
    task: groups.Task
    model: groups.Model
    criterion: groups.Criterion
    optimizer: groups.Optimizer
    scope: groups.Scope
    reinit: Annotated[Node, NODE, "where the next round starts"]
    scheduler: Annotated[Node, NODE, "factor of the learning rate by step"]
    module: Annotated[Node | None, TARGET, "a LightningModule instead of model and optimizer"] = (
        None
    )
    datamodule: Annotated[Node | None, TARGET, "a LightningDataModule, with module="] = None
    dynamic: Annotated[Node | None, TARGET, "masks that move while a round trains"] = None
    metrics: groups.Metrics
    logger: Annotated[Mapping[str, Node], NODES, "loggers by name"]
    callbacks: Annotated[Mapping[str, Node], NODES, "callbacks by name"]
    copying: groups.Copying | None
    config: Mapping[str, Any]

    def __post_init__(self) -> None:
        for group, nodes in (("logger", self.logger), ("callbacks", self.callbacks)):
            for name, node in nodes.items():
                NODE.check(f"{group}.{name}", node)
        epsilon, why = self.early_bird.epsilon, ""
        if self.pruning.at == "init":
            why = "pruning.at=init: no mask follows training"
        elif self.copying:
            why = "criterion=copy: its masks are another run's"
        if epsilon is not None and why:
            raise ConfigError(f"early_bird.epsilon={epsilon}: must be null with {why}")
        if self.copying and self.criterion.inverted:
            raise ConfigError(
                "criterion.inverted=true: must be false with criterion=copy, whose masks are "
                "another run's"
            )

    @cached_property
    def canonical(self) -> dict[str, Any]:
        """Every value that changes results, in one spelling, flat: {"pruning.rate": 0.2, ...}."""
        return canonical(self.config)

    @cached_property
    def key(self) -> str:
        """The run's key."""
        return key_of(self.canonical)

    @cached_property
    def trunk(self) -> RunDir:
        """The run that masks are copied from: `criterion.run` itself, or its run of this seed."""
        named = self.copying and self.copying.run
        if not named:
            raise ConfigError("criterion.run=null: the folder of a run to copy masks from")
        for path in (Path(named), Path(named) / f"seed_{self.seed}"):
            if (path / "run.json").exists():
                return RunDir(path.absolute())
        raise ConfigError(f"criterion.run={named}: not the folder of a run (no run.json in it)")

    @cached_property
    def rounds_to_do(self) -> list[int]:
        """The rounds to do: 0 ... `rounds`, or 0 and 1 in one shot, or `criterion.rounds`."""
        if self.copying and self.copying.rounds is not None:
            return [0, *sorted(set(self.copying.rounds))]
        one_shot = self.pruning.one_shot and not self.copying
        return list(range(1 + (min(self.rounds, 1) if one_shot else self.rounds)))

    def num_prunings(self, number: int) -> int:
        """Return how often the rate applies up to a round."""
        return number * (self.pruning.one_shot or 1)

    def seed_for(self, purpose: str) -> int:
        """Return the seed of one purpose: `seeds.<purpose>` if it is given, else from `seed`."""
        own = getattr(self.seeds, purpose)
        return derive_seed(self.seed if own is None else own, purpose)


def check_names(config: Mapping[str, Any]) -> None:
    """Check that a config has no group or key besides ours, such as one that is misspelt."""
    known = get_type_hints(Settings).keys() - {"copying", "config"}
    for name in config.keys() - known:
        raise ConfigError(f"{name}={show(config[name])}: no such key; {suggest_key(name)}")


def read_settings(config: Mapping[str, Any]) -> Settings:
    """Check a composed config's plain values and return its settings. torch is not imported."""
    copying = None
    if copies_masks(config):
        copying = groups.Copying(**read_values(groups.Copying, config["criterion"], "criterion."))
    return Settings(**read_values(Settings, config), copying=copying, config=config)
