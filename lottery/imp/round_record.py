"""The record of a finished round, made from what its training measured."""

import logging
from collections.abc import Mapping
from typing import Any, cast

from lottery.masks import Masks, count_ones, density
from lottery.measure.evaluate import count_live_zeros
from lottery.progress import INSTEAD_OF_SCREEN
from lottery.record.schema import COLUMNS, Record, Row
from lottery.record.score import Score
from lottery.record.text_table import format_percent
from lottery.training import Outcome

log = logging.getLogger(INSTEAD_OF_SCREEN)


def make_record(
    number: int,
    outcome: Outcome,
    masks: Masks,
    counts: Mapping[str, Any],
    checks: Mapping[str, Any],
) -> Record:
    """Collect everything measured in a round; some `counts` stand there again `by_layer`."""
    kept = count_ones(masks)
    live_zeros = count_live_zeros(outcome.final.weights, masks)
    values = {
        "round": number,
        "remaining": density(masks),
        "ES": outcome.es_step,
        "steps": outcome.steps,
        "live_zeros": sum(live_zeros.values()),
        **outcome.measured,
        **counts,
    }
    layers = {
        name: {
            "weights": mask.numel(),
            "remaining": kept[name],
            "live_zeros": live_zeros[name],
            **counts["by_layer"][name],
        }
        for name, mask in masks.items()
    }
    further = {name: v for name, v in outcome.measured.items() if name not in COLUMNS}
    record = {
        "row": {**{name: values[name] for name in COLUMNS if name in values}, **further},
        "layers": layers,
        "checks": dict(checks),
        "history": [{"round": number, **entry} for entry in outcome.history],
        "timing": {"round": number, **outcome.timing},
    }
    return cast(Record, record)


def report_round(row: Row, outcome: Outcome, score: Score) -> None:
    """Log one line about a finished round."""
    val, test = (f"{score.format(row[name])} {score.unit}".rstrip() for name in ("val", "test"))
    log.info(
        "round %d: %s %% remaining, ES %d, val %s, test %s, %.1f s",
        row["round"],
        format_percent(row["remaining"]),
        row["ES"],
        val,
        test,
        outcome.timing["train_seconds"],
    )
