"""Group runs into settings, tickets followed by their controls."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import astuple

from lottery.record.opened_run import OpenedRun
from lottery.record.score import Score
from lottery.report.read.labels import label_settings
from lottery.report.read.roles import has_dynamic, is_control, is_ticket
from lottery.report.read.settings import Setting


def group_runs(
    runs: Sequence[OpenedRun], *, band_is_interval: bool = False, margin: float | None = None
) -> tuple[list[Setting], list[str]]:
    """Return the settings of some runs, and one line for each run that is there twice.

    Runs of one setting have equal config and score. Of two runs of a setting with equal seeds
    the one with more rounds is kept.
    """
    kept: dict[tuple[str, int], OpenedRun] = {}
    problems = []
    for run in runs:
        key = json.dumps([run.config, astuple(run.score)], sort_keys=True), run.seed
        other = kept.setdefault(key, run)
        if other is not run:
            shorter, longer = sorted((other, run), key=lambda one: len(one.records))
            kept[key] = longer
            problems.append(f"left out: {shorter.path} is the same run as {longer.path}")
    grouped: dict[str, list[OpenedRun]] = defaultdict(list)
    for (config, _), run in kept.items():
        grouped[config].append(run)
    by_seed = [tuple(sorted(some, key=lambda run: run.seed)) for some in grouped.values()]
    settings = [
        Setting(runs, band_is_interval=band_is_interval, asked_margin=margin) for runs in by_seed
    ]
    return label_settings(_in_order(settings)), problems


def _in_order(settings: Sequence[Setting]) -> list[Setting]:
    """Tickets and masks that move first, each followed by its controls; then all others."""
    ordered = []
    for ticket in settings:
        if is_ticket(ticket.config) or has_dynamic(ticket.config):
            controls = [s for s in settings if is_control(s.config, ticket.config, ticket.name)]
            ordered += [ticket, *controls]
    return list({id(setting): setting for setting in [*ordered, *settings]}.values())


def by_score(settings: Sequence[Setting]) -> dict[Score, list[Setting]]:
    """Return the settings by their scores: accuracies and errors share no axis and no table."""
    found: dict[Score, list[Setting]] = defaultdict(list)
    for setting in settings:
        found[setting.score].append(setting)
    return dict(found)
