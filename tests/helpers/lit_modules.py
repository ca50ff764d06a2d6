"""LightningModules as users write them: a classifier, a GAN, a decoder, SimCLR; and their data."""

from collections.abc import Iterator
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, normalize
from torch.utils.data import DataLoader, Dataset, DistributedSampler, TensorDataset, random_split

from lottery.distributed import num_ranks, rank

BATCH = 8
EPOCH = 4  # batches


class LitData(pl.LightningDataModule):
    """32 of 48 examples train, drawn by the global generator, as many users do it."""

    def __init__(self, *, tokens: bool = False) -> None:
        super().__init__()
        self.tokens = tokens

    def setup(self, stage: str) -> None:
        generator = torch.Generator().manual_seed(0)
        targets = torch.arange(48) % 3
        inputs = torch.randn(48, 6, generator=generator) + targets[:, None]
        if self.tokens:
            inputs = (torch.arange(48)[:, None] + torch.arange(6)) % 5
        self.splits = random_split(TensorDataset(inputs, targets), [32, 8, 8])

    def train_dataloader(self) -> Any:
        return DataLoader(self.splits[0], BATCH, shuffle=True)

    def val_dataloader(self) -> Any:
        return DataLoader(self.splits[1], BATCH)

    def test_dataloader(self) -> Any:
        return DataLoader(self.splits[2], BATCH)


class SharedData(LitData):
    """The same data in one order; of each batch every rank gets its share."""

    def train_dataloader(self) -> Any:
        mine = DistributedSampler(self.splits[0], num_ranks(), rank(), shuffle=False)
        return DataLoader(self.splits[0], BATCH // num_ranks(), sampler=mine)


class StatefulLoader:
    """A loader that tells where it is, as torchdata's does: its order and what comes next."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.order: list[int] = []
        self.next = 0
        self.resumes = False

    def __len__(self) -> int:
        return EPOCH

    def __iter__(self) -> Iterator[Any]:
        if not self.resumes:
            self.order, self.next = torch.randperm(len(self.dataset)).tolist(), 0
        self.resumes = False
        while self.next < EPOCH:
            rows = self.order[self.next * BATCH : (self.next + 1) * BATCH]
            self.next += 1
            inputs, targets = zip(*(self.dataset[row] for row in rows), strict=True)
            yield torch.stack(inputs), torch.stack(targets)

    def state_dict(self) -> dict[str, Any]:
        return {"order": self.order, "next": self.next}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.order, self.next, self.resumes = state["order"], state["next"], True


class StatefulData(LitData):
    """The same data by a loader with a state."""

    def train_dataloader(self) -> Any:
        return StatefulLoader(self.splits[0])


class Noisy(Dataset[Any]):
    """Examples with noise that each worker process draws for itself."""

    def __init__(self, examples: Any) -> None:
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, row: int) -> Any:
        inputs, target = self.examples[row]
        return inputs + torch.randn(6), target


class WorkerData(LitData):
    """The same data through two worker processes that live as long as the loader."""

    def train_dataloader(self) -> Any:
        return DataLoader(
            Noisy(self.splits[0]), BATCH, shuffle=True, num_workers=2, persistent_workers=True
        )


class LitClassifier(pl.LightningModule):
    """BatchNorm, dropout, momentum with weight decay, two kinds of schedule."""

    def __init__(self) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.hidden = nn.Linear(6, 8)
        self.norm = nn.BatchNorm1d(8)
        self.dropout = nn.Dropout(0.2)
        self.output = nn.Linear(8, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.output(self.dropout(self.norm(self.hidden(inputs)).relu()))
        return logits

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss = cross_entropy(self(batch[0]), batch[1])
        self.log("train_loss", loss, on_epoch=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self._measure(batch, "val")

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self._measure(batch, "test")

    def _measure(self, batch: Any, split: str) -> None:
        logits = self(batch[0])
        self.log(f"{split}_loss", cross_entropy(logits, batch[1]))
        self.log(f"{split}_score", (logits.argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
        steps = torch.optim.lr_scheduler.StepLR(optimizer, 3, 0.9)
        return [optimizer], [
            {"scheduler": plateau, "monitor": "val_loss", "interval": "epoch"},
            {"scheduler": steps, "interval": "step"},
        ]


class LitGan(pl.LightningModule):
    """Two optimizers in a manual optimization, with a clipped norm."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 6))
        self.critic = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 1))

    def training_step(self, batch: Any, batch_idx: int) -> None:
        of_generator, of_critic = self.optimizers()
        real = batch[0]
        made = self.generator(torch.randn(len(real), 4))
        ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
        loss = binary_cross_entropy_with_logits(self.critic(real), ones)
        loss = loss + binary_cross_entropy_with_logits(self.critic(made.detach()), zeros)
        of_critic.zero_grad()
        self.manual_backward(loss)
        self.clip_gradients(of_critic, gradient_clip_val=0.1, gradient_clip_algorithm="norm")
        of_critic.step()
        loss = binary_cross_entropy_with_logits(self.critic(made), ones)
        of_generator.zero_grad()
        self.manual_backward(loss)
        of_generator.step()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self._measure(batch, "val")

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self._measure(batch, "test")

    def _measure(self, batch: Any, split: str) -> None:
        noise = torch.linspace(-1, 1, 4 * len(batch[0])).reshape(-1, 4)
        distance = (self.generator(noise).mean(0) - batch[0].mean(0)).norm()
        self.log(f"{split}_loss", distance)
        self.log(f"{split}_score", distance)

    def configure_optimizers(self) -> Any:
        return [
            torch.optim.Adam(self.generator.parameters(), lr=0.01),
            torch.optim.AdamW(self.critic.parameters(), lr=0.01),
        ]


class LitDecoder(pl.LightningModule):
    """A language model of five tokens whose output shares the embedding's weight."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.output = nn.Linear(8, 5, bias=False)
        self.output.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        hidden = self.embedding(tokens)
        length = tokens.shape[1]
        ahead = torch.ones(length, length, dtype=torch.bool).triu(1)
        found, _ = self.attention(hidden, hidden, hidden, attn_mask=ahead)
        logits: Tensor = self.output(hidden + found)
        return logits

    def _loss(self, batch: Any) -> Tensor:
        tokens = batch[0]
        return cross_entropy(self(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self._loss(batch)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self._measure(batch, "val")

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self._measure(batch, "test")

    def _measure(self, batch: Any, split: str) -> None:
        loss = self._loss(batch)
        self.log_dict({f"{split}_loss": loss, f"{split}_score": loss}, sync_dist=True)

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), lr=0.02)
        return {
            "optimizer": optimizer,
            "lr_scheduler": torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 5),
        }


class LitContrastive(pl.LightningModule):
    """SimCLR's shape: two noisy views of each example should have the most similar codes."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU())
        self.projector = nn.Linear(8, 4)

    def _loss(self, first: Tensor, second: Tensor) -> Tensor:
        codes = normalize(self.projector(self.encoder(torch.cat([first, second]))))
        similar = (codes @ codes.T / 0.5).fill_diagonal_(-1e9)
        partners = torch.arange(len(codes)).roll(len(first))
        return cross_entropy(similar, partners)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        first, second = (batch[0] + 0.1 * torch.randn_like(batch[0]) for _ in range(2))
        return self._loss(first, second)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self._measure(batch, "val")

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self._measure(batch, "test")

    def _measure(self, batch: Any, split: str) -> None:
        loss = self._loss(batch[0], batch[0].roll(1, dims=1))
        self.log_dict({f"{split}_loss": loss, f"{split}_score": loss})

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=0.01)


MODULES: dict[str, tuple[type[pl.LightningModule], bool]] = {  # whether the data are tokens
    "classifier": (LitClassifier, False),
    "gan": (LitGan, False),
    "decoder": (LitDecoder, True),
    "contrastive": (LitContrastive, False),
}
