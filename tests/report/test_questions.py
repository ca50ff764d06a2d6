"""What a reader can choose in a report of several settings, and their verdicts in one table."""

import json
import re
from pathlib import Path
from typing import Any

from lottery.report.contents import Contents, make_contents
from lottery.report.figures.figure import for_paper
from lottery.report.read.questions import find_questions
from lottery.report.read.runs import read_run
from lottery.report.render import make_page
from tests.helpers.toy_records import CONFIG, RANDOM_PRUNING, toy_record, write_controls
from tests.helpers.toy_settings import settings_of

GLOBAL = {"scope._target_": "lottery.pruning.Global"}
SLOW = {"pruning.rate": 0.1}


def test_settings_that_differ_in_one_thing_answer_a_question(tmp_path: Path) -> None:
    settings = settings_of(
        tmp_path,
        CONFIG,
        CONFIG | SLOW,
        CONFIG | GLOBAL,
        CONFIG | GLOBAL | SLOW,
        RANDOM_PRUNING,
    )
    found = {
        question.name: {group.title: group.labels for group in question.groups}
        for question in find_questions(settings, [])
    }
    plain, random, slow, wide, both = (setting.label for setting in settings)
    assert (plain, both) == ("ticket, layerwise, rate=0.2", "ticket, global, rate=0.1")
    assert found == {
        "criterion": {"layerwise, rate=0.2": (plain, random)},
        "scope": {"ticket, rate=0.2": (plain, wide), "ticket, rate=0.1": (slow, both)},
        "rate": {"ticket, layerwise": (plain, slow), "ticket, global": (wide, both)},
    }


def test_a_ticket_and_its_controls_are_a_choice(tmp_path: Path) -> None:
    contents = make_contents([read_run(path) for path in write_controls(tmp_path)])
    questions = {question.name: question.groups for question in contents.questions}
    (group,) = questions["controls"]
    labels = ("ticket", "random pruning", "random reinit", "random ticket")
    assert (group.title, group.labels) == ("ticket", labels)
    assert contents.settings == labels


def test_verdicts_are_one_table_of_words(tmp_path: Path) -> None:
    contents = make_contents([read_run(path) for path in write_controls(tmp_path)])
    (table,) = contents.verdicts
    assert table.rows[0] == {
        "setting": "ticket",
        "seeds": "3",
        "best round %": "51.20",
        "minus dense, points": "+1.20",
        "95 % interval": "all equal",
        "against dense": "beats",
        "matches down to": "round 3",
        "speed": "undecided",
        "against random reinit": "beats",
        "against random ticket": "beats",
        "against random pruning": "beats",
        "ticket": "winning ticket",
    }
    assert [row["setting"] for row in table.rows] == ["ticket", "random pruning"]
    assert table.rows[1]["against dense"] == "is behind"
    page = make_page(contents)
    assert '<td class="good">winning ticket</td>' in page
    assert '<td class="bad">is behind</td>' in page


def many(folder: Path, count: int) -> Contents:
    runs: list[Any] = [
        toy_record(
            folder / f"digits-lenet-magnitude-0.2-layerwise-rewind-{number:08d}" / "seed_0",
            canonical=CONFIG | {"optimizer.lr": 0.001 * (number + 1)},
        )
        for number in range(count)
    ]
    return make_contents(runs)


def test_the_page_has_every_setting_and_a_picture_the_first(tmp_path: Path) -> None:
    contents = many(tmp_path, 20)
    labels = contents.settings
    assert (labels[0], labels[-1]) == ("lr=0.001", "lr=0.02")
    choice = json.loads(re.findall(r'id="choice">(.*?)</script>', make_page(contents))[0])
    assert choice["settings"] == list(labels)
    assert [len(look) for look in choice["looks"]] == [3] * 14
    page = {figure.name: figure for figure in contents.figures}
    paper = {figure.name: figure for figure in contents.pictures}
    assert [line.label for line in page["6_settings"].panels[0].lines] == list(labels)
    assert [line.label for line in paper["6_settings"].panels[0].lines] == list(labels[:14])
    assert paper["6_settings"].caption.endswith(" 6 more settings are not drawn.")
    assert [panel.setting for panel in page["3_layers"].panels] == list(labels)
    assert [panel.setting for panel in paper["3_layers"].panels] == list(labels[:6])
    assert "14 more panels are not drawn. 6 more settings" in paper["3_layers"].caption
    assert len(paper["4_learning"].panels) == 1 + 4


def test_few_settings_are_all_on_paper(tmp_path: Path) -> None:
    contents = many(tmp_path, 2)
    assert contents.pictures == contents.figures
    figure = contents.figures[0]
    assert for_paper(figure, contents.settings) == figure
