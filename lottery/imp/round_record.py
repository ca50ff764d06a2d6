"""The record of a finished round, made from what its training measured."""

import logging
from collections.abc import Mapping
from typing import Any, cast

from lottery.masks import Masks, count_ones, density
from lottery.measure.evaluate import count_live_zeros
from lottery.record.schema import COLUMNS, Record, Row
from lottery.record.text_table import format_percent
from lottery.training import Outcome

log = logging.getLogger(__name__)


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
    record = {
        "row": {column: values[column] for column in COLUMNS if column in values},
        "layers": layers,
        "checks": dict(checks),
        "history": [{"round": number, **entry} for entry in outcome.history],
        "timing": {"round": number, **outcome.timing},
    }
    if outcome.logged:
        record["logged"] = dict(outcome.logged)
    return cast(Record, record)


def report_round(row: Row, outcome: Outcome) -> None:
    """Log one line about a finished round."""
    log.info(
        "round %d: %s %% remaining, ES %d, val %s %%, test %s %%, %.1f s",
        row["round"],
        format_percent(row["remaining"]),
        row["ES"],
        format_percent(row["val"]),
        format_percent(row["test"]),
        outcome.timing["train_seconds"],
    )
