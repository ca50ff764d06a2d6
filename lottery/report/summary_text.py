"""The short written answer, from the rules in `verdicts`."""

from collections.abc import Sequence
from dataclasses import dataclass

from lottery.report.layers import remaining_by_layer
from lottery.report.roles import WINNING_TICKET, copies, is_ticket
from lottery.report.settings import Setting
from lottery.report.tables import format_difference
from lottery.report.ticket_vs_controls import Comparison, against_dense
from lottery.report.verdicts import (
    BEATS,
    BEHIND,
    ENOUGH_SEEDS,
    MATCHES,
    TOO_FEW,
    best_round,
    falls_below_from,
    judge,
)

MAX_SETTINGS = 8  # with sentences of their own; the table has all


@dataclass(frozen=True)
class Answer:
    """What is said of one setting."""

    heading: str
    sentences: tuple[str, ...]


def write_answers(settings: Sequence[Setting], comparisons: Sequence[Comparison]) -> list[Answer]:
    """An answer for each setting that prunes by itself; copies stand with their tickets."""
    own = [setting for setting in settings if not copies(setting.config)] or list(settings)
    answers = [_answer(setting, comparisons) for setting in own[:MAX_SETTINGS]]
    if more := len(own) - len(answers):
        answers.append(Answer(f"{more} more settings", ("They stand in the table of settings.",)))
    return answers


def _answer(setting: Setting, comparisons: Sequence[Comparison]) -> Answer:
    count = len(setting.runs)
    heading = f"{setting.label} ({setting.chosen('model')} on {setting.chosen('dataset')}, "
    heading += f"{count} seed{'s' if count > 1 else ''})"
    winner = best_round(setting.means("val"), setting.means("remaining"))
    if winner is None:
        test = setting.means("test").get(0)
        said = "no round is finished" if test is None else "only the dense network is trained"
        number = "" if test is None else f": test accuracy {100 * test:.2f} %"
        return Answer(heading, (f"{said.capitalize()} so far{number}.",))
    sentences = [_ticket_sentence(setting, winner), _below_sentence(against_dense(setting))]
    if is_ticket(setting.config):
        sentences += [_cost_sentence(setting, winner), _layers_sentence(setting, winner)]
    sentences += [
        _control_sentence(pair) for pair in comparisons if pair.ticket.label == setting.label
    ]
    return Answer(heading, tuple(sentence for sentence in sentences if sentence))


def _ticket_sentence(setting: Setting, winner: int) -> str:
    test, remaining = setting.means("test"), setting.means("remaining")[winner]
    what = WINNING_TICKET if setting.role == WINNING_TICKET else "network of the winning round"
    start = (
        f"The {what} (round {winner}) has {100 * remaining:.1f} % of the weights and "
        f"{100 * test[winner]:.2f} % test accuracy"
    )
    comparison = against_dense(setting)
    summary = comparison.summaries.get(winner)
    if summary is None:
        return f"{start}; there is no dense network to compare it with."
    said = {
        BEATS: "it beats the dense network (and so matches it)",
        MATCHES: "it matches the dense network, but is not shown to beat it",
        BEHIND: "it does not match the dense network",
        TOO_FEW: f"{TOO_FEW} whether it matches or beats it",
    }[judge(list(comparison.differences[winner].values()))]
    dense = f"the dense network's {100 * test[0]:.2f} %"
    return f"{start}, {format_difference(summary)} against {dense}: {said}."


def _below_sentence(comparison: Comparison) -> str:
    summaries = comparison.summaries
    if not summaries:
        return ""
    remaining = comparison.ticket.means("remaining")
    means = {n: s.mean for n, s in summaries.items() if s.count >= ENOUGH_SEEDS}
    known = means or {n: s.mean for n, s in summaries.items()}
    number, last = falls_below_from(known), max(known)
    if number is None:
        where = f"nowhere down to {100 * remaining[last]:.1f} % of the weights (round {last})"
    else:
        where = f"from round {number} ({100 * remaining[number]:.1f} % of the weights)"
    if means:
        return f"Falls below dense from: {where.removeprefix('from ')}."
    seeds = max(summary.count for summary in summaries.values())
    these = "this one does so" if seeds == 1 else "these do so"
    return f"Falls below dense from: {TOO_FEW}; {these} {where}."


def _cost_sentence(setting: Setting, winner: int) -> str:
    params = setting.means("params_remaining")[winner] / setting.means("params")[winner]
    dense, left = setting.means("flops").get(winner), setting.means("flops_remaining").get(winner)
    if not dense or left is None:
        return (
            f"It has {100 * params:.1f} % of the dense network's parameters; FLOPs were not "
            "measured."
        )
    return (
        f"It has {100 * params:.1f} % of the dense network's parameters and needs "
        f"{100 * left / dense:.1f} % of its FLOPs: a theoretical speedup of {dense / left:.1f}, "
        "which takes hardware or kernels that skip zeros."
        f"{_csr_words(setting, winner)}"
    )


def _csr_words(setting: Setting, winner: int) -> str:
    """Whether PyTorch's own sparse kernels, for the Linear layers, are that."""
    dense, csr = (setting.means(f"inference{kind}_ms").get(winner) for kind in ("", "_csr"))
    if not dense or not csr:
        return ""
    faster, least, most = ("CSR", csr, dense) if csr < dense else ("dense", dense, csr)
    return (
        f" With its Linear layers in CSR one example takes {csr:.4f} ms, dense {dense:.4f} ms "
        f"(batches of 100): {faster} is {most / least:.1f} times as fast."
    )


def _layers_sentence(setting: Setting, winner: int) -> str:
    left = {n: shares[winner] for n, shares in remaining_by_layer(setting).items()}
    sizes = {
        name: counts["weights"] for name, counts in setting.runs[0].records[-1]["layers"].items()
    }
    pruned = {name: sizes[name] * (1 - left[name]) for name in left}
    if not (total := sum(pruned.values())):
        return ""
    most = max(pruned, key=pruned.__getitem__)
    densest = max(left, key=left.__getitem__)
    return (
        f"Of the weights pruned by then {100 * pruned[most] / total:.1f} % were in {most}, which "
        f"holds {100 * sizes[most] / sum(sizes.values()):.1f} % of the prunable weights and has "
        f"{100 * left[most]:.1f} % of them left; most is left of {densest} "
        f"({100 * left[densest]:.1f} %)."
    )


def _control_sentence(pair: Comparison) -> str:
    summaries, remaining = pair.summaries, pair.ticket.means("remaining")
    said = []
    for number in pair.judged_rounds:
        verdict = judge(list(pair.differences[number].values()))
        words = TOO_FEW if verdict == TOO_FEW else f"the ticket {verdict}"
        at = f"at round {number} ({100 * remaining[number]:.1f} % of the weights)"
        said.append(f"{at} {format_difference(summaries[number])}: {words}")
    return f"Against {pair.control.label}, {'; '.join(said)}."
