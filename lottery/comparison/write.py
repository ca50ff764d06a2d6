"""The files of a comparison: written once into a folder that is named for what is compared."""

from collections.abc import Sequence
from pathlib import Path

from lottery.comparison.compare import Comparison
from lottery.comparison.figures import comparison_figures
from lottery.record.files import creating_folder, json_digest, write_json, write_text
from lottery.record.links import digest_of_record, digest_of_run
from lottery.record.opened_run import OpenedRun
from lottery.record.run_dir import CompareDir
from lottery.record.schema import CompareJson
from lottery.report.figures.draw_matplotlib import save_figure

FORMAT = 1  # of the folder; another one has another name
DIGITS = 8  # of the digest, in the folder's name


def write_comparison(
    comparison: Comparison, runs: Sequence[OpenedRun], rounds: Sequence[int], out: Path
) -> Path:
    """Write tables and figures into a folder of `out`, and return it; one that is there stays."""
    content = _describe(comparison, runs, rounds)
    folder = CompareDir(out / content["digest"][:DIGITS])
    if not folder.path.exists():
        try:
            with creating_folder(folder.path) as aside:
                _fill(CompareDir(aside), comparison, content)
        except OSError:
            if not folder.path.exists():
                raise  # else another process was quicker
    return folder.path


def _describe(
    comparison: Comparison, runs: Sequence[OpenedRun], rounds: Sequence[int]
) -> CompareJson:
    digests = [
        [digest_of_run(run.run_json), *(digest_of_record(run.record(n)) for n in rounds)]
        for run in runs
    ]
    compared = {"format": FORMAT, "runs": digests, "notes": list(comparison.notes)}
    return {
        "digest": json_digest(compared),
        "runs": [f"{run.name}/seed_{run.seed}" for run in runs],
        "rounds": list(rounds),
        "notes": list(comparison.notes),
    }


def _fill(folder: CompareDir, comparison: Comparison, content: CompareJson) -> None:
    for path, table in (
        (folder.pairs_csv, comparison.pairs),
        (folder.networks_csv, comparison.networks),
    ):
        write_text(path, table.to_csv(index=False, lineterminator="\n"))
    for figure in comparison_figures(comparison):
        save_figure(figure, folder.path)
    write_json(folder.compare_json, content)
