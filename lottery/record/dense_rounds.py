"""The dense rounds of all runs in an output folder, found without reading any of the runs."""

import logging
from dataclasses import dataclass
from pathlib import Path

from lottery.record.run_dir import RunDir

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DenseRounds:
    """The runs of an output folder whose round 0 is finished, by the digest of what shapes it.

    An empty file `OUTPUTS/.dense/<digest>/<setting>/seed_<n>` names one. Runs that were deleted
    may still be named, and without these files a run trains its own round 0.
    """

    outputs: Path

    def runs(self, digest: str) -> list[RunDir]:
        """Return the runs named under a digest, by path."""
        folder = self._folder(digest)
        return [RunDir(self.outputs / m.relative_to(folder)) for m in sorted(folder.glob("*/*"))]

    def name(self, run: RunDir, digest: str) -> None:
        """Name a run, if it is in the output folder itself."""
        if run.path.parent.parent != self.outputs:
            return
        mark = self._folder(digest) / run.path.relative_to(self.outputs)
        try:
            if not mark.exists():
                mark.parent.mkdir(parents=True, exist_ok=True)
                mark.touch()
        except OSError as error:  # of another user's folder: nothing of this run needs the file
            log.warning("other runs cannot take round 0 from this one: %s", error)

    def _folder(self, digest: str) -> Path:
        return self.outputs / ".dense" / digest
