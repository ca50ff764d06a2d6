"""Rows and records of rounds, toys with every column."""

from typing import Any

from lottery.record.schema import COLUMNS, LayerCounts, Record, Row


def toy_row(
    number: int, remaining: float = 1.0, val: float | None = 0.5, test: float = 0.5
) -> Row:
    row: Any = dict.fromkeys(COLUMNS, 0) | {"round": number, "remaining": remaining}
    return row | {"val": val, "test": test, "test_last": 0.25, "ES": 10 * number}


def toy_record(number: int, row: Row | None = None) -> Record:
    counts: Any = dict.fromkeys(LayerCounts.__annotations__, 0)
    return {
        "row": row or toy_row(number),
        "layers": {"fc1.weight": counts | {"weights": 8, "remaining": 8 - number}},
        "checks": {"pruned_max": 0.0},
        "history": [
            {"round": number, "iteration": step, "split": "val", "loss": 1 / 3, "accuracy": 0.5}
            for step in (10, 20)
        ],
        "timing": {
            "round": number,
            "train_seconds": 1.5,
            "steps_per_second": 20.0,
            "inference_ms": 0.25,
            "inference_csr_ms": None,
            "peak_memory_mb": None,
        },
    }
