"""The whole sentences of a report; all other tests look at numbers and verdict words."""

from pathlib import Path

from lottery.record.files import read_json, write_json
from lottery.record.records import write_record
from lottery.record.run_dir import RunDir
from lottery.report.contents import make_contents
from lottery.report.read.runs import read_run
from tests.helpers.toy_records import CONFIG, TRUNK, record, write_controls, write_run

HEADING = "winning ticket (lenet_300_100 on digits, 3 seeds)"


def test_sentences_about_a_ticket_and_its_controls(tmp_path: Path) -> None:
    contents = make_contents([read_run(path) for path in sorted(write_controls(tmp_path))])
    ticket, pruning = contents.answers
    assert ticket.heading == HEADING
    assert ticket.sentences == (
        "The winning ticket (round 3) keeps 51.2 % of the weights. Its test accuracy is 96.30 %, "
        "that of the dense network 95.10 %: +1.20 points (95 % interval +1.20 to +1.20, 3 "
        "seeds). It beats the dense network, and so matches it.",
        "Falls below dense: never, up to round 3 (51.2 % of the weights).",
        "It has 55.2 % of the dense network's parameters and needs 51.2 % of its FLOPs. This is a "
        "theoretical speedup of 2.0, for hardware or kernels that skip zeros.",
        "90.9 % of its pruned weights were in fc1.weight. This layer holds 90.9 % of the prunable "
        "weights and keeps 51.2 % of its own. The densest layer is fc1.weight (51.2 % left).",
        "Compared with random reinit: in round 3 (51.2 % of the weights) +4.20 points (95 % "
        "interval +4.20 to +4.20, 3 seeds), the ticket beats it.",
        "Compared with random ticket: in round 3 (51.2 % of the weights) +7.20 points (95 % "
        "interval +7.20 to +7.20, 3 seeds), the ticket beats it.",
        "Compared with random pruning: in round 3 (51.2 % of the weights) +10.20 points (95 % "
        "interval +10.20 to +10.20, 3 seeds), the ticket beats it.",
    )
    assert pruning.sentences == (
        "The network of the winning round (round 1) keeps 80.0 % of the weights. Its test "
        "accuracy is 92.10 %, that of the dense network 95.10 %: -3.00 points (95 % interval "
        "-3.00 to -3.00, 3 seeds). It does not match the dense network.",
        "Falls below dense: from round 1 (80.0 % of the weights) on.",
    )
    assert contents.checks == (
        "Passed: every ticket is better than its controls; no layer is empty; the early-stopping "
        "step (ES) is before the last step.",
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
        "The winning ticket (round 1) keeps 80.0 % of the weights. Its test accuracy is 99.00 %, "
        "that of the dense network 95.00 %: +4.00 points (1 seed). There are not enough seeds "
        "to say whether it matches or beats the dense network.",
        "Falls below dense: not enough seeds to say. In the seeds so far: from round 2 (64.0 % of "
        "the weights) on.",
    )
    assert contents.checks == (
        "Layer collapse in winning ticket: no weight is left in output.weight from round 2 on "
        "(1 of 1 seed). Without a shortcut around the empty layer, a network gives the same "
        "answer to every input. The mean test accuracy with an empty layer is 10.00 %.",
        "The dense network (lenet_300_100 on digits) has 95.00 % test accuracy, 3.00 points below "
        "the 98.0 % of Frankle et al. 2019, arXiv:1903.01611 (50,000 steps of 60, Adam). A ticket "
        "that matches it matches a network that could be better. Check the data, the iterations "
        "and the learning rate.",
        "The early-stopping step (ES) is the last step, so the validation loss was still falling: "
        "winning ticket in 1 of 3 trainings (round 2). These networks were not trained long "
        "enough. More iterations may change the results.",
    )


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
