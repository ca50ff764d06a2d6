"""The content of every JSON file and table of a run, with types; `typed.py` compares them."""

from typing import Any, NotRequired, TypedDict

# Of run.json and round.json. Files of version 0.1 name none, which means 1; 3 has links.
FORMAT = 3


class Row(TypedDict):
    """The columns of results.csv, in order; shares and accuracies are fractions.

    A new column goes to the end, as `NotRequired`: runs made before it have none. `val` and `test`
    are in the run's score, accuracy if it names none. After these columns come the further metrics
    of the run's task, `val_<name>` and `<name>`.
    """

    round: int
    remaining: float
    ES: int
    val: float | None  # None without validation data, as val_last
    test: float
    val_loss: NotRequired[float]  # also not where a module of the user is best at a maximum
    val_f1: NotRequired[float]  # these six: of tasks with classes
    val_precision: NotRequired[float]
    val_recall: NotRequired[float]
    f1: NotRequired[float]
    precision: NotRequired[float]
    recall: NotRequired[float]
    val_last: float | None
    test_last: float
    steps: int
    remaining_all: float
    params: int
    params_remaining: int
    flops: NotRequired[int]  # unknown of a module without example_input_array
    flops_remaining: NotRequired[int]
    live_zeros: int
    compression_ratio: float | None
    theoretical_speedup: float | None
    train_flops: NotRequired[int]  # these three: not with module=, nor in older versions
    train_flops_total: NotRequired[int]
    dense_trainings: NotRequired[float]


class HistoryRow(TypedDict):
    """One evaluation of one split, a row of history.csv.

    The next column is the score by the name of its metric; then comes what a user's module logs.
    """

    round: int
    iteration: int
    split: str
    loss: NotRequired[float]  # as val_loss
    accuracy: NotRequired[float]


class TimingRow(TypedDict):
    """What depends on the machine, a row of timing.csv; None where it was not measured."""

    round: int
    train_seconds: float
    steps_per_second: float
    inference_ms: float | None
    inference_csr_ms: float | None
    peak_memory_mb: float | None


class LayerCounts(TypedDict):
    """Numbers of weights and operations of one layer."""

    weights: int
    remaining: int
    live_zeros: int
    flops: NotRequired[int]
    flops_remaining: NotRequired[int]


class MaskDistance(TypedDict):
    """How far the masks at one evaluation are from those of an earlier one."""

    iteration: int
    back: int  # evaluations
    distance: float


class EarlyBirdRecord(TypedDict):
    """What the early-bird detection of a round has found."""

    epsilon: float
    step: int | None
    distances: list[MaskDistance]


class Move(TypedDict):
    """What one update of a layer's mask has done, a row of dynamic.csv."""

    round: int
    step: int  # just made, on the round's clock
    layer: str
    dropped: int
    grown: int
    remaining: int


class Before(TypedDict):
    """The record that a round goes on from."""

    round: int
    digest: str  # of all but its times


class Links(TypedDict):
    """What a round belongs to, by digests: see `links.py`."""

    run: str | None  # config and seed in run.json
    digests: dict[str, str]  # those in run.json
    before: Before | None
    files: dict[str, str]  # the round's tensors, by file name


class Hardware(TypedDict):
    """What the last bits of results depend on, besides versions and the settings in the key."""

    device: str  # such as cpu (x86_64), gpu (NVIDIA H200)
    devices: int  # that trained together
    threads: int
    deterministic: bool
    compile: bool
    grouped: NotRequired[int]  # runs in its group, trained as one network; absent: alone
    tf32: NotRequired[bool]  # this and the rest: on a GPU
    benchmark: NotRequired[bool]
    graph: NotRequired[bool]
    cuda: NotRequired[str | None]
    cudnn: NotRequired[str | None]
    nccl: NotRequired[str | None]
    driver: NotRequired[str | None]


class Trained(TypedDict):
    """Where a round was trained to its end."""

    host: str
    hardware: Hardware
    dense: NotRequired[str]  # of round 0: the digest of all that shapes it
    run: NotRequired[str]  # of round 0 if it was taken: the folder of the run that trained it


class Record(TypedDict):
    """Everything measured in a round, the content of round.json without format and digest."""

    row: Row
    layers: dict[str, LayerCounts]
    checks: dict[str, Any]  # what the checks at the round's boundaries measured
    history: list[HistoryRow]
    timing: TimingRow
    early_bird: NotRequired[EarlyBirdRecord]  # with early_bird.epsilon
    dynamic: NotRequired[list[Move]]  # of rounds whose masks may move
    links: NotRequired[Links]  # rounds of older versions have none
    trained: NotRequired[Trained]  # as `links`; no digest depends on it


class ScoreJson(TypedDict):
    """What `val` and `test` measure: the fields of `Score`."""

    metric: str
    higher_is_better: bool
    is_share: bool


class RunJson(TypedDict):
    """The content of run.json without its format."""

    name: str
    key: str
    seed: int
    status: str  # running, finished, failed or interrupted
    message: str
    rounds: list[int]  # that the last command asked for
    config: dict[str, Any]  # canonical, flat: {"pruning.rate": 0.2, ...}
    settings: NotRequired[dict[str, Any]]  # as composed, with absolute paths
    digests: dict[str, str]
    input_shape: list[int]
    num_classes: int | None
    output_shape: NotRequired[list[int]]  # of an example's outputs, if it is not [num_classes]
    num_tokens: NotRequired[int | None]  # runs of older versions have none
    outside: NotRequired[dict[str, int]]  # parameters without a mask; older versions have none
    score: NotRequired[ScoreJson]  # accuracy, if there is none
    versions: dict[str, str]
    git_commit: str | None
    machine: dict[str, Any]
    dense_from: NotRequired[str]  # the folder of the run that trained round 0, if it was taken
    notes: NotRequired[list[str]]  # on settings and networks, as the log has them


class TicketRun(TypedDict):
    """The run that a ticket was taken out of."""

    name: str
    key: str
    seed: int
    config: dict[str, Any]


class TicketLoops(TypedDict):
    """What the test of a LightningModule needs besides the module."""

    datamodule: dict[str, Any] | None
    metrics: dict[str, Any]
    lightning: dict[str, Any]  # further arguments of Lightning's Trainer


class TicketJson(TypedDict):
    """The content of ticket.json without its digest."""

    format: int
    model: dict[str, Any]
    module: NotRequired[dict[str, Any]]  # of a run with module=; a user's has no model
    loops: NotRequired[TicketLoops]  # what its test needs; older ones have none
    input_shape: list[int]
    num_classes: int | None
    output_shape: NotRequired[list[int]]
    num_tokens: NotRequired[int | None]
    precision: str
    round: int
    remaining: float
    ES: int
    rewind_step: int | None
    row: Row
    score: NotRequired[ScoreJson]  # of the row, and of tasks other than classification
    task: NotRequired[dict[str, Any]]
    layers: dict[str, LayerCounts]
    run: TicketRun
    dataset: dict[str, Any]
    digests: dict[str, str]
    device: str
    threads: int
    deterministic: bool | str
    reordered: bool
    versions: dict[str, str]
    git_commit: str | None
    files: dict[str, str]  # sha256 by name


class TicketFile(TicketJson):
    """ticket.json as it stands on disk."""

    digest: str


class SweepJob(TypedDict):
    """The status of a sweep's job, the content of jobs/<number>.json."""

    job: int
    overrides: list[str]
    run: str
    status: str  # as in run.json, or unknown where the file is damaged
    message: str
    row: Row | None  # of the last round that the job asked for
    score: NotRequired[ScoreJson]  # of the row; accuracy, if there is none


class CompareJson(TypedDict):
    """What was compared, the content of compare/*/compare.json."""

    digest: str  # of the runs, the records of their rounds and the notes
    runs: list[str]  # name of the setting and seed
    rounds: list[int]
    notes: list[str]  # why cells are empty


class ClaimRunsJson(TypedDict):
    """The runs of a claim at one scale, the content of OUTPUTS/claims/<id>.<scale>.json."""

    digest: str  # of the protocol that the runs follow
    seeds: int
    arms: dict[str, list[str]]  # the folder of the setting of each draw, by arm


COLUMNS = tuple(Row.__annotations__)
DYNAMIC_COLUMNS = tuple(Move.__annotations__)
TIMING_COLUMNS = tuple(TimingRow.__annotations__)
