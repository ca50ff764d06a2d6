"""The content of every file that `lottery-stability` keeps, with types."""

from typing import Any, NotRequired, TypedDict


class Distance(TypedDict):
    """The Euclidean distance between two weight vectors, and their angle in degrees."""

    l2: float
    angle: float


class LinePoint(TypedDict):
    """What is measured on one split at one point of the line between two networks."""

    alpha: float
    split: str
    loss: float
    error: float


class PairJson(TypedDict):
    """What is kept of a pair of copies, the content of stability/step_*/pair_*/round_*.json."""

    round: int
    step: int
    pair: int
    remaining: float
    copies: list[str]  # the digest of each
    points: list[LinePoint]
    batch_norm: str
    distances: Distance
    from_dense: NotRequired[Distance]


class LineJson(TypedDict):
    """What is kept of a line between two rounds' ends, stability/lines/*/round_*.json."""

    round: int
    other: str  # the run of the second network: its name and seed; "" for this run
    other_round: int
    align: str  # how the second network's units were matched: none, weights or activations
    remaining: float
    other_remaining: float
    networks: list[str]  # the digest of each, as it stands at the end of the line
    points: list[LinePoint]
    batch_norm: str
    distances: Distance


class StartPoint(TypedDict):
    """What is measured of a round's start on one split."""

    weights: str  # masked or dense
    split: str
    loss: float
    accuracy: NotRequired[float]  # the score by the name of its metric


class StartJson(TypedDict):
    """What is kept of a round's start, the content of stability/untrained/round_*.json."""

    round: int
    step: int
    remaining: float
    digests: dict[str, str]  # of the start, masked and dense
    points: list[StartPoint]


class CopyJson(TypedDict):
    """What is kept of a copy's training besides its weights."""

    start: str  # the digest of what it started from
    end: NotRequired[str]  # the digest of where it ended; older ones have none
    steps: int
    checks: dict[str, Any]
    val_losses: NotRequired[list[float]]  # of its evaluations; older ones have none
