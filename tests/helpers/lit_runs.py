"""IMP over users' LightningModules without Hydra."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from lottery.generators import drawn
from lottery.imp import Imp, Pruning, Rounds, Storage, run_rounds
from lottery.masks import prunable_weights
from lottery.measure.flops import make_parameter_counter
from lottery.models.state import all_buffers, fresh_state
from lottery.progress import Progress
from lottery.pruning import Layerwise, Magnitude, ScoredPruner
from lottery.record.run_dir import RunDir
from lottery.reinit import Reinit, Rewind
from lottery.seeds import derive_seed
from lottery.signals import StopRequest
from lottery.training import EvaluationSchedule
from lottery.training.native import MetricNames, NativeFit
from tests.helpers.lit_modules import EPOCH, MODULES, LitData
from tests.helpers.ranks import CPUS

NAMES = MetricNames(
    val="val_score",
    test="test_score",
    monitor="val_loss",
    lower_is_better=True,
)
STEPS = 3 * EPOCH


def lit_fit(
    name: str,
    data: type[LitData] = LitData,
    callbacks: Sequence[pl.Callback] = (),
    **changes: Any,
) -> NativeFit:
    """Training as the command builds it, for one of the modules."""
    module, tokens = MODULES[name]
    fit = NativeFit(
        make_module=partial(drawn, module, derive_seed(0, "init")),
        make_datamodule=lambda key: data(tokens=tokens),
        names=NAMES,
        evaluation=EvaluationSchedule(every=EPOCH, test_curve=False, patience=None),
        order_seed=7,
        split_seed=0,
        fixed_order=False,
        steps_per_epoch=EPOCH,
        options={"log_every_n_steps": 1},
        device=CPUS,
        make_callbacks=lambda number: list(callbacks),
        open_loggers=lambda number, masks: nullcontext([]),
        progress=Progress(),
        run_dir=RunDir(Path("unused")),
        checkpoint_seconds=None,
        stop=StopRequest(),
        stores_optimizer=False,
    )
    return replace(fit, **changes)


def lit_imp(
    path: Path,
    fit: NativeFit,
    reinit: Reinit | None = None,
    rounds: Sequence[int] = (0, 1, 2),
    rate: float = 0.3,
) -> Imp:
    reinit = reinit or Rewind(0, "fresh")
    network = fit.make_module()
    prunable = list(prunable_weights(network))
    return Imp(
        rounds=Rounds(rounds),
        num_steps=STEPS,
        fresh=lambda *purpose: fresh_state(type(network), derive_seed(0, *purpose)),
        fit=replace(fit, run_dir=RunDir(path), stores_optimizer=reinit.carries_optimizer),
        pruning=Pruning(
            ScoredPruner(Magnitude(), Layerwise(), dict.fromkeys(prunable, rate)), prunable, seed=3
        ),
        reinit=reinit,
        storage=Storage(RunDir(path), all_buffers(network).keys()),
        count=make_parameter_counter(network),
    )


def run_lit(path: Path, fit: NativeFit, **changes: Any) -> None:
    """Run it; `changes` are arguments of `lit_imp`."""
    run_rounds(lit_imp(path, fit, **changes))
