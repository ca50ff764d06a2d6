"""Loss, score and further metrics of a split that comes in batches, on one process or several."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from lottery.data import Splits
from lottery.distributed import gather, sum_over_ranks
from lottery.tasks import Loss, Task


@dataclass
class Totals:
    """Adds up batches, as `evaluate` does for a split in memory."""

    task: Task
    loss: Loss
    sums: list[Tensor] = field(default_factory=list)  # of the task's parts, by batch
    losses: list[Tensor] = field(default_factory=list)
    details: list[Tensor] = field(default_factory=list)
    targets: list[Tensor] = field(default_factory=list)

    def add(self, outputs: Tensor, targets: Tensor) -> None:
        """Add a batch, which stays on its device but for the details."""
        self.losses.append(self.loss(outputs, targets).double() * len(targets))
        self.sums.append(self.task.parts(outputs, targets).double().sum(0))
        self.details.append(self.task.details(outputs, targets).cpu())
        self.targets.append(targets.cpu())

    def join(self, splits: Splits) -> tuple[float, float, dict[str, float]]:
        """Return mean loss, score and further metrics of what all processes have added."""
        loss = sum_over_ranks(torch.stack(self.losses).sum().cpu())
        sums = sum_over_ranks(torch.stack(self.sums).sum(0).cpu())
        ours = torch.cat(self.details), torch.cat(self.targets)
        found = gather(ours)
        details = torch.cat([details for details, _ in found])
        targets = torch.cat([targets for _, targets in found])
        mean = float(loss) / len(targets)
        score = self.task.score_of(sums, mean, len(targets))
        return mean, score, self.task.further(details, targets, splits)
