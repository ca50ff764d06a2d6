"""`lottery-report --against`: any two settings, paired by sparsity and seed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lottery.errors import ConfigError
from lottery.record.opened_run import OpenedRun
from lottery.report.read.against import compare_against
from lottery.report.read.groups import group_runs
from lottery.report.read.settings import Setting
from lottery.report.words.against import against_answers, against_tables
from tests.conftest import Done, snapshot
from tests.helpers.toy_records import CONFIG, TRUNK, toy_record, write_run
from tests.helpers.toy_scores import toy_of_score

ONE_SHOT = CONFIG | {"pruning.one_shot": 3}
Report = Callable[..., Done]


def _settings(path: Path, *, seeds: int = 3, rate: float = 0.488) -> list[Setting]:
    """Three rounds of pruning, and one pruning to what they leave; seed by seed."""
    runs: list[OpenedRun] = []
    for seed in range(seeds):
        noise = 0.001 * seed
        tests = [0.95, 0.951 + noise, 0.952 + noise, 0.953 + noise]
        runs.append(toy_record(path / TRUNK / f"seed_{seed}", tests=tests))
        tests = [0.95, 0.948 + 1.5 * noise]
        folder = path / TRUNK.replace("1111", "2222") / f"seed_{seed}"
        runs.append(toy_record(folder, tests=tests, rate=rate, canonical=ONE_SHOT))
    return group_runs(runs)[0]


def test_one_shot_is_compared_with_the_round_that_leaves_as_much(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    pairs = compare_against(settings, [ONE_SHOT])
    assert [(pair.rounds, pair.other.config) for pair in pairs] == [({3: 1}, ONE_SHOT)]
    (table,) = against_tables(pairs)
    # by seed 95.3 - 94.8, 95.4 - 94.95, 95.5 - 95.1; t(2) = 4.303, sd 0.05: 0.45 -/+ 0.124
    (row,) = table.rows
    assert row | {"setting": ""} == {
        "setting": "",
        "round": "3",
        "the other's": "1",
        "remaining %": "51.20",
        "seeds": "3",
        "minus the other, points": "+0.45",
        "95 % interval": "+0.33 to +0.57",
        "by seed": "+0.50 +0.45 +0.40",
        "verdict": "beats",
    }
    (answer,) = against_answers(pairs)
    assert answer.sentences[0].endswith(
        "in round 3 (51.2 % of the weights) +0.45 points (95 % interval +0.33 to +0.57, 3 seeds), "
        "beats it."
    )
    (back,) = compare_against(settings, [CONFIG])
    assert back.rounds == {1: 3}
    assert back.gains is not None
    assert back.gains.summaries[1].mean == pytest.approx(-0.45)


def test_nothing_in_common_is_said(tmp_path: Path) -> None:
    pairs = compare_against(_settings(tmp_path, rate=0.3), [ONE_SHOT])
    assert pairs[0].gains is None
    assert (
        against_answers(pairs)[0].sentences[0].endswith("shares no seed or no sparsity with it.")
    )
    assert against_tables(pairs)[0].rows == ()


def test_a_seed_counts_where_its_own_networks_have_equal_sparsity(tmp_path: Path) -> None:
    """Masks that are learned leave as much as they like; the means over the seeds are equal."""
    runs, rates = [], {0: 0.46, 1: 0.488, 2: 0.516}
    for seed, rate in rates.items():
        folder = tmp_path / TRUNK.replace("1111", "2222") / f"seed_{seed}"
        runs.append(toy_record(tmp_path / TRUNK / f"seed_{seed}", tests=[0.95, 0.96], rate=0.488))
        runs.append(toy_record(folder, tests=[0.95, 0.94], rate=rate, canonical=ONE_SHOT))
    (pair,) = compare_against(group_runs(runs)[0], [ONE_SHOT])
    assert pair.rounds == {1: 1}
    assert pair.gains is not None
    assert pair.gains.seeds == [1]


def test_settings_of_other_scores_are_no_answer(tmp_path: Path) -> None:
    runs = [toy_record(tmp_path / TRUNK / "seed_0")]
    runs.append(toy_of_score(tmp_path / f"{TRUNK}2" / "seed_0", tests=[2.0], canonical=ONE_SHOT))
    with pytest.raises(ConfigError, match="--against: no other setting has its score, accuracy"):
        compare_against(group_runs(runs)[0], [CONFIG])


def test_under_three_seeds_there_is_no_verdict(tmp_path: Path) -> None:
    (table,) = against_tables(compare_against(_settings(tmp_path, seeds=2), [ONE_SHOT]))
    assert [row["verdict"] for row in table.rows] == ["not enough seeds to say"]


def test_all_comparisons_are_corrected_together(tmp_path: Path) -> None:
    """An interval just above 0 is not shown to beat, if it is one of eight comparisons."""
    runs = []
    for which in range(9):
        config = CONFIG | {"optimizer.lr": 0.1 * (which + 1)}
        for seed in range(3):
            gain = 0.0 if which == 0 else 0.002 + 0.0006 * seed
            folder = tmp_path / f"{TRUNK}{which}" / f"seed_{seed}"
            runs.append(toy_record(folder, tests=[0.9, 0.91 + gain], canonical=config))
    settings = group_runs(runs)[0]
    chosen = [CONFIG | {"optimizer.lr": 0.1}]
    few = [setting for setting in settings if setting.config["optimizer.lr"] < 0.25]
    verdicts = [
        {row["verdict"] for row in against_tables(compare_against(some, chosen))[0].rows}
        for some in (few, settings)
    ]
    assert verdicts == [{"beats"}, {"matches"}]


def test_the_report_has_the_comparison_and_the_text_writes_nothing(
    report: Report, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = TRUNK.replace("1111", "2222")
    _settings(folder)
    before = snapshot(folder)
    done = report(TRUNK, "--text", "--against", other)
    assert (done.code, done.err) == (0, "")
    assert snapshot(folder) == before
    assert "Compared with" in done.out
    assert "+0.33 to +0.57" in done.out
    monkeypatch.setattr("lottery.report.write.save_figure", lambda figure, folder: None)
    assert report(TRUNK, "--against", other, "--out", "both").code == 0
    for file in ("report.md", "report.html"):
        text = (folder / "both" / file).read_text()
        assert "Compared with" in text
        assert "+0.33 to +0.57" in text
        assert "that --against names" in text


def test_a_setting_alone_has_nothing_to_be_compared_with(report: Report, folder: Path) -> None:
    write_run(folder / TRUNK / "seed_0")
    before = snapshot(folder)
    done = report(TRUNK, "--against", TRUNK)
    line = "error: --against: there is no other setting to compare with it; name one\n"
    assert done == Done(2, "", line)
    assert snapshot(folder) == before
