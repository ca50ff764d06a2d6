"""Write the page of verdicts: claims.html, claims.md and the figure, each whole or not at all."""

from collections.abc import Sequence
from pathlib import Path

from lottery.claims.figure import NAME
from lottery.claims.judge import Verdict
from lottery.claims.words import make_contents
from lottery.record.files import write_text
from lottery.report.figures.draw_matplotlib import METADATA, save_figure
from lottery.report.render import make_markdown, make_page


def write_verdicts(verdicts: Sequence[Verdict], folder: Path) -> Path:
    """Write the page of some verdicts, over an earlier one, and return the path of claims.html."""
    contents = make_contents(verdicts)
    for figure in contents.figures:
        save_figure(figure, folder / "figures")
    if not contents.figures:
        for kind in METADATA:
            (folder / "figures" / f"{NAME}.{kind}").unlink(missing_ok=True)
    write_text(folder / "claims.md", make_markdown(contents))
    write_text(folder / "claims.html", make_page(contents))
    return folder / "claims.html"
