"""Every Python block of the documentation is run, or listed here with its reason."""

from pathlib import Path

import pytest

import lottery as package
from tests.docs.blocks import PAGES, ROOT, Block, blocks_of

NOT_RUN = {
    "docs/explanations/safety.md": "tests/runs/test_foreign_folders.py does",
    "docs/how-to/optuna.md": "it reads a study by its name; tests/runs/test_search.py reads one",
    "docs/how-to/python.md": "it trains for a minute; tests/api has each of its names",
    "docs/how-to/ticket.md": "tests/ticket/test_forms.py does",
    "docs/results/mnist.md": "it needs the two hours of runs of that page",
}
# Files of a user's: the tests of commands import them.
BLOCKS = [
    pytest.param(block, id=f"{page}-{number}")
    for page in PAGES
    for number, block in enumerate(blocks_of(page))
    if block.language == "python" and not block.file and str(page) not in NOT_RUN
]


def test_every_page_that_is_not_run_has_python() -> None:
    for page in NOT_RUN:
        assert any(b.language == "python" and not b.file for b in blocks_of(Path(page)))
    assert len(BLOCKS) >= 5


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finished runs of nine rounds at three rates."""
    path = tmp_path_factory.mktemp("blocks") / "outputs"
    quick = ("rounds=8", "iterations=2", "evaluation.every=1", "trainer.threads=1", "logger=none")
    for rate in (0.1, 0.2, 0.4):
        package.run(f"pruning.rate={rate}", *quick, f"output_dir={path}")
    return path


@pytest.mark.parametrize("block", BLOCKS)
def test_python_runs(block: Block, outputs: Path, folder: Path) -> None:
    runs = sorted(path.parent for path in outputs.glob("*/seed_0/run.json"))
    (folder / "outputs").symlink_to(outputs)
    for name, run in zip(("TRUNK", "CONTROL"), runs, strict=False):
        (folder / name).symlink_to(run)
    (folder / "rounds").symlink_to(runs[0] / "rounds")
    exec(compile(block.text, str(ROOT), "exec"), {})


def test_python_files_compile() -> None:
    for page in PAGES:
        for block in blocks_of(page):
            if block.language == "python":
                compile(block.text, str(page), "exec")
