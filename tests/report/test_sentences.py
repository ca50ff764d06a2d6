"""The whole sentences of a report; all other tests look at numbers and verdict words."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lottery.record.files import read_json, write_json
from lottery.record.records import write_record
from lottery.record.run_dir import RunDir
from lottery.report.contents import make_contents
from lottery.report.read.runs import read_run
from tests.helpers.toy_records import (
    CONFIG,
    RANDOM_REINIT,
    TRUNK,
    record,
    rewrite_record,
    write_controls,
    write_run,
)

HEADING = "ticket (lenet_300_100 on digits, 3 seeds)"
OTHER = "digits-lenet_300_100-copy-none-none-random-22222222"


def three_seeds(folder: Path, canonical: dict[str, Any], *rounds: Sequence[float]) -> list[Path]:
    """Write three runs; each sequence has the test accuracies of one round."""
    return [
        write_run(folder / f"seed_{seed}", tests=[r[seed] for r in rounds], canonical=canonical)
        for seed in range(3)
    ]


def sentences(paths: Sequence[Path], **options: Any) -> tuple[str, ...]:
    """Return the sentences about the first setting."""
    return make_contents([read_run(path) for path in paths], **options).answers[0].sentences


def test_sentences_about_a_ticket_and_its_controls(tmp_path: Path) -> None:
    contents = make_contents([read_run(path) for path in sorted(write_controls(tmp_path))])
    ticket, pruning = contents.answers
    assert ticket.heading == HEADING
    assert ticket.sentences == (
        "The best pruned round is round 3 (51.2 % of the weights). Its test accuracy is 96.30 %, "
        "that of the dense network 95.10 %: +1.20 points (the same in all 3 seeds). It beats the "
        "dense network, and so matches it.",
        "Every round down to round 3 (51.2 % of the weights) matches the dense network.",
        "Its ES, pooled with that of the rounds before and after, is 1.25 times the dense "
        "network's (95 % interval 0.61 to 2.56, 3 seeds). It is undecided which of the two learns "
        "faster.",
        "Compared with random reinit: in round 3 (51.2 % of the weights) +4.20 points (the same "
        "in all 3 seeds), the ticket beats it. Its ES is 1.00 times the control's (95 % interval "
        "0.56 to 1.77, 3 seeds): undecided.",
        "Compared with random ticket: in round 3 (51.2 % of the weights) +7.20 points (the same "
        "in all 3 seeds), the ticket beats it. Its ES is 1.00 times the control's (95 % interval "
        "0.56 to 1.77, 3 seeds): undecided.",
        "Compared with random pruning: in round 3 (51.2 % of the weights) +10.20 points (the same "
        "in all 3 seeds), the ticket beats it. Its ES is 1.00 times the control's (95 % interval "
        "0.56 to 1.77, 3 seeds): undecided.",
        "So it is a winning ticket: it matches the dense network and beats random reinit.",
        "It has 55.2 % of the dense network's parameters and needs 51.2 % of its FLOPs. This is a "
        "theoretical speedup of 2.0, for hardware or kernels that skip zeros.",
        "90.9 % of its pruned weights were in fc1.weight. This layer holds 90.9 % of the prunable "
        "weights and keeps 51.2 % of its own. The densest layer is fc1.weight (51.2 % left).",
    )
    assert pruning.sentences == (
        "The best pruned round is round 1 (80.0 % of the weights). Its test accuracy is 92.10 %, "
        "that of the dense network 95.10 %: -3.00 points (the same in all 3 seeds). It is behind "
        "the dense network, and does not match it.",
        "From round 1 (80.0 % of the weights) on every round is behind the dense network.",
        "Its ES, pooled with that of the rounds before and after, is 1.15 times the dense "
        "network's (95 % interval 0.56 to 2.36, 3 seeds). It is undecided which of the two learns "
        "faster.",
    )
    assert contents.checks == (
        "Passed: every ticket is better than its controls; no layer is empty; the early-stopping "
        "step (ES) is before the last step.",
    )


def test_sentences_where_little_is_shown(tmp_path: Path) -> None:
    """Gains -0.2, +0.1 and +0.4 points: mean 0.1, half width 4.303 * 0.3 / sqrt(3) = 0.745."""
    dense, first = (0.95, 0.951, 0.952), (0.948, 0.952, 0.956)
    paths = three_seeds(tmp_path / TRUNK, CONFIG, dense, first)
    few = sentences(paths)
    assert few[0] == (
        "The best pruned round is round 1 (80.0 % of the weights). Its test accuracy is 95.20 %, "
        "that of the dense network 95.10 %: +0.10 points (95 % interval -0.65 to +0.85, 3 seeds). "
        "It is undecided whether it matches the dense network (within 0.2 points)."
    )
    assert few[1] == "Round 1 (80.0 % of the weights) is not shown to match the dense network."
    assert few[3] == (
        "With these 3 seeds a true difference of 0.2 points would be seen with probability 0.11; "
        "26 seeds are needed for 0.9."
    )
    assert few[4] == (
        "It is not shown to be a winning ticket: it is not shown to match the dense network and "
        "there is no random reinit to compare it with."
    )
    wide = sentences(paths, margin=0.7)
    assert (
        "It matches the dense network within 0.7 points, but is not shown to beat it." in wide[0]
    )
    assert wide[4] == (
        "It is not shown to be a winning ticket: there is no random reinit to compare it with."
    )
    paths += three_seeds(tmp_path / OTHER, RANDOM_REINIT, dense, (0.951, 0.951, 0.951))
    compared = sentences(paths, margin=0.7)
    assert compared[4].startswith(
        "Compared with random reinit: in round 1 (80.0 % of the weights) +0.10 points (95 % "
        "interval -0.89 to +1.09, 3 seeds), undecided."
    )
    assert compared[5] == (
        "It is not shown to be a winning ticket: it is not shown to beat random reinit."
    )


def test_means_are_over_the_same_seeds(tmp_path: Path) -> None:
    """Every seed is a little worse in every round, and a weak seed ends after round 1.

    Round 2 without the weak seed has 97.10 %, more than the dense network's 96.38 % with it.
    """
    for seed, (dense, rounds) in enumerate([(0.974, 2), (0.975, 2), (0.976, 2), (0.93, 1)]):
        tests = [dense - 0.002 * number for number in range(rounds + 1)]
        write_run(tmp_path / TRUNK / f"seed_{seed}", tests=tests)
    contents = make_contents([read_run(path) for path in sorted(tmp_path.glob("*/seed_*"))])
    assert contents.answers[0].sentences[0] == (
        "The best pruned round is round 1 (80.0 % of the weights). Its test accuracy is 97.30 %, "
        "that of the dense network 97.50 %: -0.20 points (the same in all 3 seeds). It is behind "
        "the dense network, and does not match it. Seed 3 lacks some of the rounds and is left "
        "out of all comparisons."
    )
    (row,) = next(table for table in contents.tables if table.title == "Settings").rows
    assert (row["seeds"], row["dense test %"], row["test %"]) == ("3", "97.50", "97.30")


def test_a_first_seed_without_a_round_takes_nothing_from_the_others(tmp_path: Path) -> None:
    write_run(tmp_path / TRUNK / "seed_0", tests=[], status="running", asked=2)
    paths = sorted(tmp_path.glob("*/seed_0"))
    paths += [write_run(tmp_path / TRUNK / f"seed_{seed}") for seed in (1, 2, 3)]
    contents = make_contents([read_run(path) for path in paths])
    assert "+1.00 points (the same in all 3 seeds)" in contents.answers[0].sentences[0]
    learning = next(figure for figure in contents.figures if figure.name == "4_learning")
    assert all(panel.lines for panel in learning.panels)


def test_each_seed_is_judged_in_the_round_that_the_others_pick(tmp_path: Path) -> None:
    """Validation, in percent: seeds 0 and 1 are best in round 1, seed 2 by far in round 2."""
    vals = [(0.9, 0.96, 0.95), (0.9, 0.96, 0.95), (0.9, 0.95, 0.975)]
    paths = [
        write_run(tmp_path / TRUNK / f"seed_{seed}", tests=(0.9, 0.951, 0.961), vals=val)
        for seed, val in enumerate(vals)
    ]
    first = sentences(paths)[0]
    assert first.startswith(
        "The best pruned round is round 2 (64.0 % of the weights). Each seed is judged in the "
        "round that is best by the other seeds' validation (rounds 2, 2 and 1): there the test "
        "accuracy is 95.77 %, that of the dense network 90.00 %: +5.77 points"
    )


def test_sentences_about_one_seed_and_its_problems(tmp_path: Path) -> None:
    mnist = {"dataset._target_": "lottery.data.Mnist", "dataset.name": "mnist"}
    path = write_run(tmp_path / TRUNK / "seed_0", tests=(0.95, 0.99), canonical=CONFIG | mnist)
    entry = record(2, test=0.1, val=0.1, remaining=0.64)
    entry["layers"]["output.weight"]["remaining"] = 0
    write_record(RunDir(path), entry | {"row": entry["row"] | {"ES": 300}})
    contents = make_contents([read_run(path)])
    (answer,) = contents.answers
    assert answer.sentences[:2] == (
        "The best pruned round is round 1 (80.0 % of the weights). Its test accuracy is 99.00 %, "
        "that of the dense network 95.00 %: +4.00 points (1 seed). There are not enough seeds to "
        "say whether it matches or beats the dense network.",
        "Its ES, pooled with that of the rounds before and after, is 2.05 times the dense "
        "network's (1 seed). There are not enough seeds to say which of the two learns faster.",
    )
    assert contents.checks == (
        "Layer collapse in ticket: no weight is left in output.weight from round 2 on "
        "(1 of 1 seed). Without a shortcut around the empty layer, a network gives the same "
        "answer to every input. The mean test accuracy with an empty layer is 10.00 %.",
        "The dense network (lenet_300_100 on digits) has 95.00 % test accuracy, 3.00 points below "
        "the 98.0 % of Frankle et al. 2019, arXiv:1903.01611 (50,000 steps of 60, Adam). A ticket "
        "that matches it matches a network that could be better. Check the data, the iterations "
        "and the learning rate.",
        "The early-stopping step (ES) is the last step, so the validation loss was still falling: "
        "ticket in 1 of 3 trainings (round 2). These networks were not trained long enough. More "
        "iterations may change the results.",
    )


def test_a_test_set_that_is_too_small_for_the_margin_is_named(tmp_path: Path) -> None:
    path = write_run(tmp_path / TRUNK / "seed_0", tests=[n / 297 + 0.001 for n in (288, 290)])
    for number, images in ((0, 288), (1, 290)):
        entry = record(number, test=images / 297, val=0.9, remaining=0.8**number)
        rewrite_record(path, entry | {"row": entry["row"] | {"test_last": 287 / 297}})
    checks = make_contents([read_run(path)]).checks
    assert checks[0] == (
        "One test example is 0.337 points, more than the margin of 0.2 points within which a "
        "network matches. So a single example can decide. Choose a larger margin by "
        "lottery-report --margin."
    )
    assert not any("One test" in c for c in make_contents([read_run(path)], margin=0.5).checks)


def test_parameters_that_are_never_pruned_are_named(tmp_path: Path) -> None:
    """Of 1,200 parameters; the sixth name and those after it are counted together."""
    path = write_run(tmp_path / TRUNK / "seed_0")
    entry = read_json(path / "run.json")
    outside = {"embedding.weight": 96, "norm layers": 12, "biases": 6, "a": 3, "b": 2, "c": 1}
    write_json(path / "run.json", entry | {"outside": outside | {"d": 1}})
    (answer,) = make_contents([read_run(path)]).answers
    assert answer.sentences[-1] == (
        "10.1 % of the parameters are never pruned: embedding.weight 8.0 %, norm layers 1.0 %, "
        "biases 0.5 %, a 0.2 %, b 0.2 %, 2 others 0.2 %."
    )
