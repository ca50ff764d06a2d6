"""Runs of a claim's arms on disk, with numbers that a test chooses."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lottery.claims.arms import Arms
from lottery.record.opened_run import OpenedRun
from lottery.record.run_dir import RunDir
from tests.helpers.toy_records import record, rewrite_record, write_run

PAIRS = (
    "round,step,pair,remaining,barrier_train,barrier_test,ends_error_test,l2,angle,l2_from_dense"
)
POINTS = "round,step,pair,alpha,split,error"
UNTRAINED = "round,step,weights,split,accuracy"


def toy_arm(
    folder: Path, tests: Sequence[Sequence[float]], es: Sequence[Sequence[int]] = ()
) -> dict[int, OpenedRun]:
    """Write the runs of one draw of an arm, whose round n has 0.8**n of the weights.

    Args:
        folder: of the setting.
        tests: test accuracies of each seed by round.
        es: the same of ES; by default 100, 110, 120, ...
    """
    for seed, of_seed in enumerate(tests):
        path = write_run(folder / f"seed_{seed}", tests=of_seed)
        for number, step in enumerate(es[seed] if es else []):
            entry = record(number, test=of_seed[number], val=0.9, remaining=0.8**number)
            entry["row"]["ES"] = step
            rewrite_record(path, entry)
    return {n: OpenedRun(RunDir(folder / f"seed_{n}")) for n in range(len(tests))}


def toy_arms(found: Mapping[str, Sequence[Mapping[int, OpenedRun]]], *, pairs: int = 1) -> Arms:
    """Return the arms of three seeds."""
    return Arms(found, range(3), pairs)


def write_stability(
    run: OpenedRun, number: int, *, barriers: Sequence[float], l2: float, untrained: float = 0.1
) -> None:
    """Write what `lottery-stability` has measured of a round, one barrier for each pair."""
    folder, left = run.folder.stability, 0.8**number
    folder.path.mkdir(exist_ok=True)
    pairs = [f"{number},0,{n},{left},0,{b},0.1,{l2},10,1" for n, b in enumerate(barriers)]
    folder.pairs_csv.write_text("\n".join([PAIRS, *pairs, ""]))
    folder.points_csv.write_text(f"{POINTS}\n{number},0,0,0.5,test,0.1\n")
    rows = [
        f"{number},0,{kind},test,{score}" for kind, score in (("masked", untrained), ("dense", 0))
    ]
    folder.untrained_csv.write_text("\n".join([UNTRAINED, *rows, ""]))
