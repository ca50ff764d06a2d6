"""The tables of settings, controls, runs and checks."""

from collections.abc import Mapping, Sequence

from lottery.record.opened_run import OpenedRun
from lottery.report.read.controls import against_dense
from lottery.report.read.gains import Gains, Judged
from lottery.report.read.pairing import ENOUGH_SEEDS
from lottery.report.read.runs import state_of
from lottery.report.read.settings import Setting
from lottery.report.read.statistics import Summary
from lottery.report.words.controls import JudgedControl
from lottery.report.words.rounds import round_numbers
from lottery.report.words.scores import column, format_gain, format_interval, gain_column
from lottery.report.words.table import (
    NONE,
    Table,
    format_number,
    format_percent,
)
from lottery.report.words.verdicts import TOO_FEW, judge, matches_down_to

MANY_RUNS = 12  # from here on the table of runs is folded


def settings_table(settings: Sequence[Setting], title: str = "Settings") -> Table:
    """Make the table of settings of one score: the dense network and the best round of each."""
    return Table(title, tuple(_setting_row(setting) for setting in settings))


def _setting_row(setting: Setting) -> dict[str, str]:
    winner, gains, score = setting.best_pruned_round(), against_dense(setting), setting.score

    def winning(column: str) -> float | None:
        return None if winner is None else setting.means(column).get(winner)

    def judged_mean(column: str, rounds: Mapping[int, int]) -> float:
        values = setting.values(column)
        return sum(values[number][seed] for seed, number in rounds.items()) / len(rounds)

    flops, flops_left = winning("flops"), winning("flops_remaining")
    best = gains.best if gains else None
    dense = dict.fromkeys(best.rounds, 0) if best else {}
    return {
        "setting": setting.label,
        "network": setting.network,
        "seeds": str(len(gains.seeds) if gains else len(setting.runs)),
        column(score, "dense test"): score.format(
            judged_mean("test", dense) if dense else setting.means("test").get(0)
        ),
        "best round": _round_cell(winner, best) if setting.has_validation else NONE,
        "remaining %": format_percent(winning("remaining")),
        column(score, "test"): score.format(
            judged_mean("test", best.rounds) if best else winning("test")
        ),
        gain_column(score, "", "dense"): format_gain(score, best.summary.mean) if best else NONE,
        "95 % interval": format_interval(score, best.summary) if best else NONE,
        "verdict": judge(best.summary, setting.margin) if best else NONE,
        "matches dense down to": matching_text(setting, gains),
        "parameters left": format_number(winning("params_remaining")),
        "FLOPs left %": format_percent(flops_left / flops if flops and flops_left else None),
        "dense trainings": format_number(winning("dense_trainings"), decimals=2),
        "ES": format_number(winning("ES")),
        "dense ES": format_number(setting.means("ES").get(0)),
    }


def _round_cell(winner: int | None, best: Judged | None) -> str:
    if winner is None:
        return NONE
    differ = best and best.round != winner
    return f"{winner} ({round_numbers(best)})" if best and differ else str(winner)


def matching_text(setting: Setting, gains: Gains | None) -> str:
    """Name the sparsest round down to which every round matches the dense network."""
    if gains is None:
        return NONE
    if len(gains.seeds) < ENOUGH_SEEDS:
        return TOO_FEW
    number = matches_down_to(gains.summaries, setting.margin)
    return "no round" if number is None else f"round {number}"


def controls_table(controls: Sequence[JudgedControl], title: str) -> Table:
    """Make the table of tickets against their controls, one row per control and round.

    Only the judged rounds have a verdict: the best one, if it is the same for all seeds, and the
    last.
    """
    rows = tuple(
        _control_row(control, number, gain)
        for control in controls
        for number, gain in control.comparison.gains.summaries.items()
    )
    return Table(title, rows)


def _control_row(control: JudgedControl, number: int, gain: Summary) -> dict[str, str]:
    pair, score = control.comparison, control.comparison.ticket.score
    verdicts = {judged.round: verdict for judged, verdict in control.judged}
    by_seed = pair.gains.values[number].values()
    return {
        "ticket": pair.ticket.label,
        "control": pair.control,
        "round": str(number),
        "remaining %": format_percent(pair.ticket.means("remaining")[number]),
        "seeds": str(gain.count),
        gain_column(score, "ticket", "control"): format_gain(score, gain.mean),
        "95 % interval": format_interval(score, gain),
        "by seed": " ".join(format_gain(score, value) for value in by_seed),
        "the ticket": verdicts.get(number, NONE),
    }


def runs_table(runs: Sequence[OpenedRun]) -> Table:
    """Make the table of runs, with their seeds and the number of finished rounds."""
    rows = tuple(
        {
            "folder": str(run.path),
            "seed": str(run.seed),
            "rounds": str(len(run.records)),
            "state": state_of(run),
        }
        for run in runs
    )
    return Table("Runs", rows, folded=len(rows) > MANY_RUNS)


def integrity_table(run: OpenedRun) -> Table:
    """Make the table of what a run measured of itself after every round."""
    names = dict.fromkeys(name for record in run.records for name in record["checks"])
    rows = tuple(
        {"round": str(record["row"]["round"])}
        | {name: _check_text(record["checks"].get(name)) for name in names}
        for record in run.records
    )
    title = f"Integrity of {run.name}, seed {run.seed}"
    return Table(title, rows, "A run stops if one of these is wrong.", folded=True)


def _check_text(value: object) -> str:
    if value is None or value == []:
        return NONE
    if isinstance(value, list):
        return " ".join(map(str, value))
    text = str(value)
    return text if len(text) <= 16 else f"{text[:12]}..."  # a digest
