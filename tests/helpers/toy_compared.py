"""Made-up comparisons of masks, as `lottery-compare` writes them into the folder of a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lottery.record.files import to_csv, write_json, write_text
from lottery.record.run_dir import CompareDir, RunDir
from lottery.record.schema import CompareJson

# 1,000 weights; both networks keep 100, and 20 of these are the same: 20 / 180
PAIR: dict[str, Any] = {
    "first": "ticket",
    "first_round": 2,
    "second": "random ticket",
    "second_round": 2,
    "layer": "all",
    "weights": 1000,
    "first_kept": 100,
    "second_kept": 100,
    "both_kept": 20,
    "overlap": 0.1111,
    "overlap_chance": 0.0526,
    "overlap_chance_sd": 0.0157,
    "hamming": 0.16,
    "hamming_chance": 0.18,
    "same_start_signs": 1.0,
    "same_final_signs": 0.7,
    "magnitude_correlation": 0.1234,
}
# The same networks before any pruning
DENSE = PAIR | {
    **dict.fromkeys(("first_round", "second_round"), 0),
    **dict.fromkeys(("overlap", "overlap_chance"), 1.0),
    **dict.fromkeys(("first_kept", "second_kept", "both_kept"), 1000),
    **dict.fromkeys(("overlap_chance_sd", "hamming", "hamming_chance"), 0.0),
}
FC1 = PAIR | {"layer": "fc1.weight", "overlap": 0.9}
NOTE = "the masks of ticket, round 2 have moved while it trained: what needs its start is empty"


def write_compared(
    run: Path,
    *pairs: dict[str, Any],
    name: str = "1a2b3c4d",
    runs: Sequence[str] = ("gone-11111111/seed_0", "gone-22222222/seed_0"),
    notes: Sequence[str] = (),
) -> CompareDir:
    """Write a comparison with these rows into the folder of a run."""
    folder = CompareDir(RunDir(run).comparisons / name)
    content: CompareJson = {
        "digest": name * 8,
        "runs": list(runs),
        "rounds": [0, 2],
        "notes": list(notes),
    }
    write_text(folder.pairs_csv, to_csv(list(PAIR), pairs))
    write_json(folder.compare_json, content)
    return folder
