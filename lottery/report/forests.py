"""Forests on features of pruned layers: a table, sentences, and points for figure 5."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Any

from lottery.record.files import DamagedFile, read_json
from lottery.record.run_dir import RunDir
from lottery.report.figure import MARKERS, Line, Style, style
from lottery.report.runs import RunRecord
from lottery.report.summary_text import Answer
from lottery.report.tables import NONE, Table

COLUMNS = ("", "val %", "test %", "F1 %", "FLOPs", "of the dense %", "the forest's")
EXTERNALS = tuple(Style("#000000", "solid", marker) for marker in reversed(MARKERS))
CAPTION = (
    "Forests on features of the pruned network at ES and of the dense one (round 0), fitted on "
    "the training data. FLOPs of the network up to the layer, and a forest's comparisons for one "
    "example, the mean over the validation data. Test accuracy chose nothing. A forest is useful, "
    "or worse or better than another, where its test accuracy differs by more than two standard "
    "errors."
)


@dataclass(frozen=True)
class Hybrids:
    """What a run's hybrid.json holds.

    Args:
        run: the run.
        forests: an entry per round and layer.
        compared: results from elsewhere.
    """

    run: RunRecord
    forests: tuple[dict[str, Any], ...] = ()
    compared: tuple[dict[str, Any], ...] = ()

    @property
    def name(self) -> str:
        """What a reader knows the run by."""
        return f"{self.run.name}, seed {self.run.seed}"


def read_hybrids(run: RunRecord) -> Hybrids:
    """A run's hybrids; none where there is no hybrid.json.

    Raises:
        DamagedFile: it is not what was written.
    """
    path = RunDir(run.path).ticket.hybrid_json
    if not path.exists():
        return Hybrids(run)
    try:
        content = read_json(path)
        return Hybrids(run, tuple(content["forests"]), tuple(content["compared"]))
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedFile(f"{path}: damaged; remove it to have its layers again") from error


def read_all_hybrids(runs: Sequence[RunRecord]) -> tuple[list[Hybrids], list[str]]:
    """Those of the runs that have some, and a line for each file that cannot be read."""
    found, problems = [], []
    for run in runs:
        try:
            hybrids = read_hybrids(run)
        except DamagedFile as error:
            problems.append(f"left out: {error}")
        else:
            found += [hybrids] if hybrids.forests else []
    return found, problems


def hybrid_table(hybrids: Hybrids) -> Table:
    """Dense and pruned networks, forests on the layers of each, and what is from elsewhere."""
    run = hybrids.run
    rows = [_network_row(run, 0, "dense network")]
    for number in sorted({entry["round"] for entry in hybrids.forests}):
        rows.append(_network_row(run, number, f"pruned network, round {number}"))
        entries = [entry for entry in hybrids.forests if entry["round"] == number]
        rows += [row for entry in entries for row in _forest_rows(run, entry)]
    dense = run.rows[0]["flops"]
    rows += [_row(f"{e['name']} ({e['file']})", e, dense) for e in hybrids.compared]
    return Table(f"Forests on features of {hybrids.name}", COLUMNS, tuple(rows), CAPTION)


def _network_row(run: RunRecord, number: int, what: str) -> tuple[str, ...]:
    row = next(row for row in run.rows if row["round"] == number)
    share = f" ({100 * row['remaining']:.1f} % of the weights)" if number else ""
    return _row(what + share, {**row, "flops": row["flops_remaining"]}, row["flops"])


def _forest_rows(run: RunRecord, entry: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    dense = run.rows[0]["flops"]
    if entry["dense"] is None:
        yield _row(f"forest on {entry['layer']}, pruned or dense", entry["pruned"], dense)
        return
    for which in ("pruned", "dense"):
        yield _row(f"forest on {entry['layer']}, {which}", entry[which], dense)


def _row(what: str, measured: dict[str, Any], dense: int) -> tuple[str, ...]:
    flops, forest = measured.get("flops"), measured.get("flops_forest")
    return (
        what,
        *(_percent(measured.get(name)) for name in ("val", "test", "f1")),
        NONE if flops is None else f"{flops:,.0f}",
        _percent(flops / dense if flops is not None else None),
        NONE if forest is None else f"{forest:,}",
    )


def _percent(share: float | None) -> str:
    return NONE if share is None else f"{100 * share:.2f}"


def hybrid_answer(hybrids: Hybrids) -> Answer:
    """Whether the features of each layer still feed a forest after pruning, and at what cost."""
    sentences = (_sentence(hybrids.run, entry) for entry in hybrids.forests)
    return Answer(f"Forests on features of {hybrids.name}", tuple(sentences))


def _sentence(run: RunRecord, entry: dict[str, Any]) -> str:
    layer, number = entry["layer"], entry["round"]
    network = next(row for row in run.rows if row["round"] == number)
    where = f"{layer} (round {number}, {100 * network['remaining']:.1f} % of the weights)"
    pruned, dense = entry["pruned"], entry["dense"]
    cost = f"{100 * pruned['flops'] / network['flops']:.2f} % of the dense network's FLOPs"
    if not entry["pruned_before"]:
        because = "differ from the dense network's by training alone"
        if entry["equal"]:
            because = "equal the dense network's"
        return (
            f"{where}: neither it nor a layer before it is pruned. Its features {because}, and "
            f"say nothing of pruning. The forest on them has {100 * pruned['test']:.2f} % test "
            f"accuracy at {cost}."
        )
    return (
        f"{where}: {_verdict(pruned['test'], dense['test'], entry)}: "
        f"{100 * pruned['test']:.2f} % test accuracy against {100 * dense['test']:.2f} % on dense "
        f"features ({entry['num_test']:,} examples, one run; the commonest class alone has "
        f"{100 * entry['commonest']:.2f} %). It takes {cost}; the pruned network itself has "
        f"{100 * network['test']:.2f} % at "
        f"{100 * network['flops_remaining'] / network['flops']:.2f} %."
    )


def _verdict(pruned: float, dense: float, entry: dict[str, Any]) -> str:
    """By two standard errors of the difference, as of two samples of the test set's size."""
    commonest, size = entry["commonest"], entry["num_test"]
    if pruned - commonest <= _two_errors(pruned, commonest, size):
        return "its pruned features feed no forest that one could tell from guessing"
    if dense - pruned > _two_errors(pruned, dense, size):
        return "its pruned features still feed a forest, but a worse one than the dense network's"
    if pruned - dense > _two_errors(pruned, dense, size):
        return "its pruned features feed a better forest than the dense network's"
    return (
        "its pruned features feed as good a forest as the dense network's, as far as one can tell"
    )


def _two_errors(share: float, other: float, size: int) -> float:
    return 2 * math.sqrt((share * (1 - share) + other * (1 - other)) / size)


def hybrid_lines(hybrids: Hybrids) -> list[Line]:
    """Test accuracy against FLOPs: for each layer from dense features to pruned ones."""
    points: dict[str, dict[float, float]] = {}
    for entry in hybrids.forests:
        for measured in (entry["dense"], entry["pruned"]):
            if measured is not None:
                of_layer = points.setdefault(f"forest on {entry['layer']}", {})
                of_layer[float(measured["flops"])] = 100 * measured["test"]
    looks = [replace(style(number), dash="dot") for number in range(1, len(points) + 1)]
    lines = [_line(name, at, look) for (name, at), look in zip(points.items(), looks, strict=True)]
    external = [entry for entry in hybrids.compared if entry["flops"] is not None]
    return lines + [
        _line(entry["name"], {float(entry["flops"]): 100 * entry["test"]}, look)
        for entry, look in zip(external, cycle(EXTERNALS), strict=False)
    ]


def _line(label: str, points: Mapping[float, float], look: Style) -> Line:
    most_first = sorted(points.items(), reverse=True)
    return Line(label, tuple(x for x, _ in most_first), tuple(y for _, y in most_first), look)
