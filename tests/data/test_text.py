"""Texts: windows, their targets, the parts of the file, and what is refused."""

from pathlib import Path

import pytest
import torch

from lottery.data import DataError, Split, Text
from tests.conftest import TINY, Lottery
from tests.helpers.token_networks import TOKEN_MLP

TEXT = "the quick brown fox\njumps over the lazy dög. " * 10  # 450 characters


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "fox.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def _strings(split: Split, vocabulary: str) -> tuple[list[str], list[str]]:
    inputs, targets = (
        ["".join(vocabulary[token] for token in row) for row in rows]
        for rows in (split.inputs, split.targets)
    )
    return inputs, targets


def test_windows_are_the_text_and_targets_are_one_character_ahead(file: Path) -> None:
    text = Text(str(file), length=7)
    splits, vocabulary = text.load(), text.vocabulary()
    assert vocabulary == "".join(sorted(set(TEXT)))
    assert splits.num_classes == splits.num_tokens == len(vocabulary) == 30
    assert splits.input_shape == (7,)
    parts = {"train": TEXT[:360], "val": TEXT[360:405], "test": TEXT[405:]}
    for name, part in parts.items():
        split: Split = getattr(splits, name)
        assert split.inputs.dtype == split.targets.dtype == torch.long
        inputs, targets = _strings(split, vocabulary)
        assert len(inputs) == (len(part) - 1) // 7
        assert "".join(inputs) == part[: 7 * len(inputs)]
        assert "".join(targets) == part[1 : 7 * len(inputs) + 1]


def test_a_window_may_be_one_character_and_a_file_may_begin_with_a_mark(tmp_path: Path) -> None:
    path = tmp_path / "marked.txt"
    path.write_text("abcabcabcabcabcabcabc", encoding="utf-8-sig")
    splits = Text(str(path), length=1).load()
    assert Text(str(path), length=1).vocabulary() == "abc"
    assert splits.train.inputs[:4].tolist() == [[0], [1], [2], [0]]
    assert (len(splits.train), len(splits.val), len(splits.test)) == (15, 1, 2)


def test_the_digest_is_the_files(file: Path) -> None:
    before = Text(str(file), length=7).load().digests()
    assert list(before) == ["fox.txt"]
    file.write_text(TEXT.replace("x", "y", 1), encoding="utf-8")
    assert Text(str(file), length=7).load().digests() != before


@pytest.mark.parametrize(
    ("content", "length", "line"),
    [
        (TEXT.encode(), 45, "fox.txt: 45 characters in a split, too few for length=45"),
        (b"", 1, "fox.txt: 0 characters in a split"),
        ("dög".encode("latin-1"), 1, "fox.txt: row 1: not UTF-8"),
        (None, 1, "fox.txt: No such file"),
    ],
)
def test_bad_files_are_refused(
    tmp_path: Path, content: bytes | None, length: int, line: str
) -> None:
    if content is not None:
        (tmp_path / "fox.txt").write_bytes(content)
    with pytest.raises(DataError, match=line):
        Text(str(tmp_path / "fox.txt"), length).load()


def test_a_run_is_refused_until_there_is_a_task_for_it(lottery: Lottery, file: Path) -> None:
    own = ("dataset._target_=lottery.data.Text", f"+dataset.file={file}", "+dataset.length=7")
    done = lottery(*TINY, *TOKEN_MLP, *own)
    assert done.code == 2
    assert done.err.splitlines()[-1] == (
        "error: dataset: the train split has 7 targets for each example: one expected; "
        "task=classification"
    )
