"""The table and the sentences about forests on features of pruned layers."""

import math
from typing import Any

from lottery.record.schema import Row
from lottery.report.read.forests import RunForests
from lottery.report.words.summary_text import Answer
from lottery.report.words.table import Table, format_number, format_percent

CAPTION = (
    "The forests are fitted on the training data, on features of the pruned network at the "
    "early-stopping step (ES) and of the dense network (round 0). FLOPs are those of the network "
    "up to the layer plus the forest's comparisons for one example, a mean over the validation "
    "data. Test accuracy was not used to choose anything. Two forests differ if their test "
    "accuracies differ by more than two standard errors."
)


def forest_table(forests: RunForests) -> Table:
    """Make the table of the networks, their forests, and other programs' results."""
    dense = forests.run.rows[0]["flops"]
    rows = [_network_row(forests.run.record(0)["row"], "dense network")]
    for number in sorted({entry["round"] for entry in forests.forests}):
        network = forests.run.record(number)["row"]
        share = f" ({100 * network['remaining']:.1f} % of the weights)"
        rows.append(_network_row(network, f"pruned network, round {number}{share}"))
        rows += [
            _row(f"forest on {entry['layer']}, {kind}", measured, dense)
            for entry in forests.forests
            if entry["round"] == number
            for kind, measured in _forest_kinds(entry).items()
        ]
    rows += [_row(f"{e['name']} ({e['file']})", e, dense) for e in forests.compared]
    return Table(forests.title, tuple(rows), CAPTION)


def _network_row(row: Row, name: str) -> dict[str, str]:
    return _row(name, {**row, "flops": row["flops_remaining"]}, row["flops"])


def _forest_kinds(entry: dict[str, Any]) -> dict[str, dict[str, Any]]:
    if entry["dense"] is None:  # the layer has the same features in both networks
        return {"pruned or dense": entry["pruned"]}
    return {"pruned": entry["pruned"], "dense": entry["dense"]}


def _row(name: str, measured: dict[str, Any], dense_flops: int) -> dict[str, str]:
    flops = measured.get("flops")
    return {
        "": name,
        "val %": format_percent(measured.get("val")),
        "test %": format_percent(measured.get("test")),
        "F1 %": format_percent(measured.get("f1")),
        "FLOPs": format_number(flops),
        "of the dense %": format_percent(None if flops is None else flops / dense_flops),
        "the forest's": format_number(measured.get("flops_forest")),
    }


def forest_answer(forests: RunForests) -> Answer:
    """Write whether a forest can use the features of each layer after pruning, and its cost."""
    run = forests.run
    sentences = (_sentence(run.record(e["round"])["row"], e) for e in forests.forests)
    return Answer(forests.title, tuple(sentences))


def _sentence(network: Row, entry: dict[str, Any]) -> str:
    layer, number = entry["layer"], entry["round"]
    start = f"{layer} (round {number}, {100 * network['remaining']:.1f} % of the weights)"
    pruned, dense = entry["pruned"], entry["dense"]
    cost = f"{100 * pruned['flops'] / network['flops']:.2f} % of the dense network's FLOPs"
    if not entry["pruned_before"]:
        how = "equal" if entry["equal"] else "differ by training alone from"
        return (
            f"{start}: neither this layer nor a layer before it is pruned. Its features {how} "
            "those of the dense network, so they tell nothing about pruning. The forest on them "
            f"has {100 * pruned['test']:.2f} % test accuracy and needs {cost}."
        )
    return (
        f"{start}: {_verdict(pruned['test'], dense['test'], entry)}. Its test accuracy is "
        f"{100 * pruned['test']:.2f} %, against {100 * dense['test']:.2f} % on dense features "
        f"({entry['num_test']:,} examples, one run; guessing the most common class gives "
        f"{100 * entry['commonest']:.2f} %). It needs {cost}. The pruned network itself has "
        f"{100 * network['test']:.2f} % and needs "
        f"{100 * network['flops_remaining'] / network['flops']:.2f} %."
    )


def _verdict(pruned: float, dense: float, entry: dict[str, Any]) -> str:
    """Compare by two standard errors, as for two samples of the test set's size."""
    commonest, size = entry["commonest"], entry["num_test"]
    forest = "the forest on its pruned features"
    if pruned - commonest <= _two_errors(pruned, commonest, size):
        return f"{forest} is not shown to be better than guessing"
    if dense - pruned > _two_errors(pruned, dense, size):
        return f"{forest} is better than guessing, but worse than the forest on dense features"
    if pruned - dense > _two_errors(pruned, dense, size):
        return f"{forest} is better than the forest on dense features"
    return f"{forest} is not shown to differ from the forest on dense features"


def _two_errors(share: float, other: float, size: int) -> float:
    return 2 * math.sqrt((share * (1 - share) + other * (1 - other)) / size)
