"""The config groups as types: every key that is ours, what it accepts and what it means.

In a group with `node`, the node is a `_target_` with its arguments, which its class checks itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Annotated, Any, TypeVar, get_origin, get_type_hints

from lottery.config.rules import Rule, duration, list_of, number, one_of, or_null, show, whole
from lottery.config.run_key import ADDED_LATER
from lottery.config.targets import Node
from lottery.errors import ConfigError
from lottery.nearest import did_you_mean
from lottery.record.durations import Duration

Group = TypeVar("Group")

SEED = whole(0, 2**63 - 1)
WHOLE = whole(1)
PRUNINGS = whole(1, 10_000)
SHARE = number(lambda v: 0 < v < 1, "a number above 0 and below 1")
SHARE_OR_ALL = number(lambda v: 0 < v <= 1, "a number above 0, at most 1")
SHARE_OR_NONE = number(lambda v: 0 <= v <= 1, "a number from 0 to 1")
POSITIVE = number(lambda v: v > 0, "a number above 0")
FLAG = Rule(lambda v: isinstance(v, bool), "true or false")
AUTO_OR_FLAG = Rule(lambda v: v == "auto" or isinstance(v, bool), "auto, true or false")
TEXT = Rule(lambda v: isinstance(v, str) and v != "" and "\0" not in v, "a text")
PRECISION = one_of("32-true", "64-true", "bf16-true", "bf16-mixed")
LOSS = Rule(lambda v: isinstance(v, str | Mapping), "the name of a loss, or one by _target_")
METRICS = Rule(
    lambda v: isinstance(v, Mapping) and all(isinstance(node, Mapping) for node in v.values()),
    "names, each with the _target_ of a metric of torchmetrics and its arguments",
)
LOGITS = Rule(
    lambda v: v != "" if isinstance(v, str) else type(v) is int and v >= 0,
    "a position (0 is the first) or a name in what forward returns",
)
MODE = one_of("min", "max")
INIT = one_of("kaiming_normal", "kaiming_uniform", "xavier_normal", "xavier_uniform")
INIT_NORMS = one_of("ones", "uniform")
OPTIONS = Rule(lambda v: isinstance(v, Mapping), "names and values, such as {benchmark: true}")
LAYER_RATES = Rule(
    lambda v: isinstance(v, list) and all(isinstance(item, Mapping) and item for item in v),
    "a list of patterns and rates, [{'output*': 0.5x}]",
)
# Arguments that torch's optimizers share. Their values are checked before torch is imported.
BELOW_1 = number(lambda v: 0 <= v < 1, "a number >= 0 and below 1")
NOT_NEGATIVE = number(lambda v: v >= 0, "a number >= 0")
TORCH_OPTIMIZER = {
    "lr": POSITIVE,
    "betas": Rule(
        lambda v: isinstance(v, list) and len(v) == 2 and all(map(BELOW_1.accepts, v)),
        "two numbers >= 0 and below 1",
    ),
    "eps": NOT_NEGATIVE,
    "nesterov": FLAG,
    "momentum": NOT_NEGATIVE,
    "weight_decay": NOT_NEGATIVE,
    **dict.fromkeys(("amsgrad", "capturable", "differentiable", "maximize"), FLAG),
    **dict.fromkeys(("foreach", "fused"), or_null(FLAG)),
}


@dataclass(frozen=True, kw_only=True)
class Seeds:
    """`seeds`: one seed for one purpose; null draws it from `seed`."""

    init: Annotated[int | None, or_null(SEED), "initial weights"]
    order: Annotated[int | None, or_null(SEED), "data order and dropout"]
    augmentation: Annotated[int | None, or_null(SEED), "augmentation of images"]
    pruning: Annotated[int | None, or_null(SEED), "random scores and masks, examples to score on"]


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """`pruning`: how much is pruned, where and when."""

    rate: Annotated[float, SHARE, "share of the surviving weights removed per round"]
    rates: Annotated[list[Node] | None, or_null(LAYER_RATES), "rates by layer; null = the model's"]
    only: Annotated[list[str], list_of(TEXT), "globs on parameter names: what may be pruned"]
    exclude: Annotated[list[str], list_of(TEXT), "globs: what of it may not be pruned"]
    also: Annotated[list[str], list_of(TEXT), "globs: further parameters that may be pruned"]
    target_sparsity: Annotated[float | None, or_null(SHARE), "stop once it is reached"]
    one_shot: Annotated[int | None, or_null(PRUNINGS), "k: prune once what k rounds would prune"]
    at: Annotated[str, one_of("trained", "init"), "which weights are judged"]
    units: Annotated[str, one_of("none", "l1", "l2"), "whole filters and neurons, by this norm"]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """`evaluation`: when the network is evaluated in a round."""

    every: Annotated[Duration, duration(1), "steps between evaluations; the last step has one too"]
    test_curve: Annotated[bool, FLAG, "evaluate the test set every time, not only when needed"]


@dataclass(frozen=True, kw_only=True)
class EarlyStopping:
    """`early_stopping`: when a round ends early."""

    patience: Annotated[int | None, or_null(WHOLE), "evaluations without a new minimum"]


@dataclass(frozen=True, kw_only=True)
class EarlyBird:
    """`early_bird`: detection of early-bird tickets."""

    epsilon: Annotated[float | None, or_null(SHARE), "note when the next mask changes by less"]


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """`checkpoint`: how a running round is saved."""

    every_seconds: Annotated[float | None, or_null(POSITIVE), "null = only when a signal stops it"]


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """`metrics`: which of the metrics that a LightningModule logs are the run's."""

    val: Annotated[str | None, or_null(TEXT), "the score of validation"]
    val_mode: Annotated[str | None, or_null(MODE), "its direction"]
    is_share: Annotated[bool, or_null(FLAG), "whether it is a fraction, shown in percent"]
    test: Annotated[str | None, or_null(TEXT), "the same score on the test set"]
    monitor: Annotated[str | None, or_null(TEXT), "decides about ES; null = val"]
    mode: Annotated[str | None, or_null(MODE), "which values of it are better"]


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """`trainer`: where and how to compute."""

    accelerator: Annotated[str, one_of("auto", "cpu", "gpu"), "auto: a GPU if there is one"]
    precision: Annotated[str, PRECISION, "Lightning's name of a floating-point precision"]
    compile: Annotated[bool, FLAG, "torch.compile the network"]
    deterministic: Annotated[bool, FLAG, "use deterministic kernels only"]
    threads: Annotated[
        int | None, or_null(whole(1, 1024)), "CPU threads; null = 1 for small networks"
    ]
    lightning: Annotated[Node, OPTIONS, "further arguments of Lightning's Trainer, with module="]
    block: Annotated[int, WHOLE, "most optimizer steps per Lightning batch"]
    devices: Annotated[int, WHOLE, "devices on each machine, one process each"]
    num_nodes: Annotated[int, WHOLE, "machines; more than one needs SLURM or torchrun"]
    timeout: Annotated[int, WHOLE, "seconds that processes wait for one another"]
    interface: Annotated[str | None, or_null(TEXT), "network between processes; null = found"]
    tf32: Annotated[bool, FLAG, "GPUs: products of 32 bits with 10 bits of precision"]
    benchmark: Annotated[bool, FLAG, "GPUs: time the algorithms of convolutions"] = False
    sync_batchnorm: Annotated[bool, FLAG, "BatchNorm sees the batches of all devices"]
    data_on_gpu: Annotated[bool | None, or_null(FLAG), "hold inputs there; null = if they fit"] = (
        None
    )
    graph: Annotated[bool | str, AUTO_OR_FLAG, "one GPU: replay captured steps"] = "auto"

    def __post_init__(self) -> None:
        if self.benchmark and self.deterministic:
            raise ConfigError(
                "trainer.benchmark=true: needs trainer.deterministic=false; which algorithm is "
                "the quickest changes from run to run"
            )


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """`dataset`: the data. A class that names root, download, split_seed or limit gets it."""

    root: Annotated[str, TEXT, "folder of the datasets"]
    download: Annotated[bool, FLAG, "fetch missing files"]
    batch_size: Annotated[int, WHOLE, "examples per step, over all devices"]
    split_seed: Annotated[int, whole(0, 2**32 - 1), "draws the validation split"]  # numpy's range
    val_share: Annotated[float | None, or_null(BELOW_1), "for validation; null = as the dataset"]
    order: Annotated[str, one_of("per_round", "fixed"), "fixed: all rounds see the same batches"]
    limit: Annotated[int | None, or_null(WHOLE), "number of examples in all"]
    subsample: Annotated[float, SHARE_OR_ALL, "share of the training examples"]
    random_labels: Annotated[float, SHARE_OR_NONE, "share of training labels drawn"]
    shuffle_pixels: Annotated[bool, FLAG, "shuffle the pixels of each training image"]
    node: Node

    def steps_per_epoch(self, num_train: int) -> int:
        """Return the steps of an epoch: what is left of it waits for the next shuffle."""
        return num_train // self.batch_size


@dataclass(frozen=True, kw_only=True)
class Task:
    """`task`: what the network is trained for; a class of `lottery.tasks`, or a user's."""

    metrics: Annotated[Mapping[str, Node], METRICS, "further columns of results.csv"]
    node: Node


@dataclass(frozen=True, kw_only=True)
class Model:
    """`model`: the network and its loss."""

    loss: Annotated[str | Node, LOSS, "of outputs and targets"] = "cross_entropy"
    rates: Annotated[Sequence[Node], LAYER_RATES, "its own pruning rates"] = ()
    logits: Annotated[int | str | None, or_null(LOGITS), "the logits, of what forward returns"]
    init: Annotated[str | None, or_null(INIT), "initial weights; null = the network's own"] = None
    init_norms: Annotated[str | None, or_null(INIT_NORMS), "BatchNorm's initial scales"] = None
    init_from: Annotated[str | None, or_null(TEXT), "file of weights that round 0 starts from"] = (
        None
    )
    node: Node


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """`criterion`: which weights are kept."""

    iterations: Annotated[int, PRUNINGS, "scorings in one pruning, under the masks so far"] = 1
    inverted: Annotated[bool, FLAG, "remove the highest scores instead of the lowest"] = False
    node: Node


@dataclass(frozen=True, kw_only=True)
class Scope:
    """`scope`: which scores are compared, and how many weights stay."""

    ties: Annotated[str, one_of("index", "random"), "which of equal scores stay"]
    node: Node


@dataclass(frozen=True, kw_only=True)
class Copying:
    """`criterion=copy`: whose masks are copied."""

    run: Annotated[str | None, or_null(TEXT), "folder of the run to copy from, or the one above"]
    shuffle: Annotated[str, one_of("none", "layerwise", "global"), "permute the masks"]
    rounds: Annotated[list[int] | None, or_null(list_of(WHOLE)), "do only these rounds"]


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """`optimizer`: how weights are updated."""

    clip_norm: Annotated[float | None, or_null(POSITIVE), "largest gradient norm"]
    decay_norms: Annotated[bool, FLAG, "false: no weight decay of biases and norm layers"] = True
    node: Node

    def __post_init__(self) -> None:
        if not str(self.node.get("_target_")).startswith("torch.optim."):
            return
        for name, rule in TORCH_OPTIMIZER.items():
            if name in self.node:
                rule.check(f"optimizer.{name}", self.node[name])
        if self.node.get("nesterov") and not self.node.get("momentum"):
            raise ConfigError("optimizer.nesterov=true: needs optimizer.momentum above 0")


def read_group(kind: type[Group], values: Any, name: str) -> Group:
    """Check a config group (plain containers) and return it as settings."""
    hints = get_type_hints(kind)
    known = [key for key in hints if key != "node"]
    shown = ", ".join(f"{name}.{key}" for key in known)
    if not isinstance(values, Mapping):
        raise ConfigError(f"{name}={show(values)}: has keys of its own: {shown}")
    read = read_values(kind, values, f"{name}.")
    others = {key: value for key, value in values.items() if key not in known}
    if "node" in hints:
        read["node"] = others
    elif others:
        key, value = next(iter(others.items()))
        near = did_you_mean(key, known, prefix=f"{name}.")
        raise ConfigError(f"{name}.{key}={show(value)}: no such key; {near or shown}")
    return kind(**read)


def read_values(kind: type[Any], values: Node, prefix: str = "") -> dict[str, Any]:
    """Check values by the fields of a type and return them by name.

    A key that is not there has its neutral value if it was added later, or its default, or null.
    """
    read = {}
    for key, hint in get_type_hints(kind, include_extras=True).items():
        name = f"{prefix}{key}"
        if isinstance(hint, type) and is_dataclass(hint):
            read[key] = read_group(hint, values.get(key, {}), name)
        elif get_origin(hint) is not Annotated:
            continue
        elif key in values:
            read[key] = hint.__metadata__[0].check(name, values[key])
        elif name in ADDED_LATER:
            read[key] = ADDED_LATER[name]
        elif not hasattr(kind, key):  # it has no default
            read[key] = hint.__metadata__[0].check(name, None)
    return read
