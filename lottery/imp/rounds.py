"""Which rounds a run does."""

from collections.abc import Sequence
from dataclasses import dataclass

from lottery.record.schema import Row


@dataclass(frozen=True)
class Rounds:
    """The rounds that a run is asked for; `finished` are the rows of all finished rounds."""

    numbers: Sequence[int]  # ascending from 0; a run with copied masks may leave some out
    target_sparsity: float | None = None  # the first round that reaches it is the last one

    def rows(self, finished: Sequence[Row]) -> list[Row]:
        """Return the rows of the rounds asked for, up to the target sparsity."""
        rows = []
        for row in finished:
            if row["round"] in self.numbers:
                rows.append(row)
                if self._reaches_target(row):
                    break
        return rows

    def todo(self, finished: Sequence[Row]) -> list[int]:
        """Return the numbers of the rounds that are still to be done."""
        rows = self.rows(finished)
        done = {row["round"] for row in rows}
        last = self.numbers[-1]
        if rows and self._reaches_target(rows[-1]):
            last = rows[-1]["round"]
        return [number for number in self.numbers if number <= last and number not in done]

    def before(self, number: int) -> int:
        """Return the round whose masks and weights round `number` goes on from."""
        return max(earlier for earlier in self.numbers if earlier < number)

    def _reaches_target(self, row: Row) -> bool:
        # `remaining` is a quotient of counts, and 1 - 0.2 is not exactly 0.8.
        target = self.target_sparsity
        return target is not None and row["remaining"] <= 1 - target + 1e-12
