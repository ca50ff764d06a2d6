"""`module`: which settings go with a LightningModule. Nothing heavy is imported."""

from collections.abc import Iterable

from lottery.config.replaced import is_stream, is_supervised
from lottery.config.rules import show
from lottery.config.settings import Settings
from lottery.errors import ConfigError
from lottery.record.score import Score

# What `trainer.lightning` may name, arguments of Lightning's Trainer.
OPTIONS = (
    "accumulate_grad_batches",
    "detect_anomaly",
    "find_unused_parameters",  # of DDP; by default only in manual optimization
    "gradient_clip_algorithm",
    "gradient_clip_val",
    "inference_mode",
    "limit_test_batches",
    "limit_train_batches",
    "limit_val_batches",
    "log_every_n_steps",
    "sync_batchnorm",
    "use_distributed_sampler",
)
# Arguments that are not passed on, and what to do instead.
INSTEAD = {
    "accelerator": "trainer.accelerator",
    "benchmark": "trainer.benchmark",
    "callbacks": "+callbacks.<name>._target_",
    "check_val_every_n_epoch": "evaluation.every=1ep",
    "deterministic": "trainer.deterministic",
    "devices": "trainer.devices",
    "logger": "logger=",
    "max_epochs": "iterations=20ep",
    "max_steps": "iterations=500",
    "num_nodes": "trainer.num_nodes",
    "precision": "trainer.precision",
    "reload_dataloaders_every_n_epochs": "no resumed round would see the same batches; make the "
    "loader's dataset change by its own epoch",
    "strategy": "trainer=ddp; masks need whole weights, which strategies that shard them lack",
    "val_check_interval": "evaluation.every=100",
}
INSTEAD_WITH_SUPERVISED = {
    "gradient_clip_algorithm": "optimizer.clip_norm",
    "gradient_clip_val": "optimizer.clip_norm",
    "limit_train_batches": "iterations=500 evaluation.every=100",
}
# Callbacks that would change what a round promises, and why.
CALLBACKS = {
    "BatchSizeFinder": "the batch size must not change between rounds; find it beforehand",
    "EMAWeightAveraging": "it puts other weights in at the end; average in the module",
    "LearningRateFinder": "the rate must not change between rounds; find it beforehand",
    "ModelPruning": "lottery prunes",
    "OnExceptionCheckpoint": "lottery resumes rounds itself",
    "StochasticWeightAveraging": "it puts other weights in at the end; average in the module",
    "Timer": "results would depend on the machine; iterations= ends a round",
    "WeightAveraging": "it puts other weights in at the end; average in the module",
}


def check_module_settings(settings: Settings) -> None:
    """Refuse settings that a LightningModule lacks or does not use, and such without one."""
    if settings.module is None:
        _check_unused(settings)
        return
    if is_supervised(settings.config):
        _check_supervised(settings)
    else:
        _check_users(settings)
    if settings.evaluation.test_curve:
        raise ConfigError(
            "evaluation.test_curve=true: with module= the test set is used at ES and at the end; "
            "accepted: false"
        )
    if settings.dynamic is not None:
        raise ConfigError(
            f"dynamic._target_={settings.dynamic['_target_']}: masks cannot move yet while a "
            "LightningModule trains; accepted with module=: dynamic=none"
        )
    if settings.trainer.graph is True:
        raise ConfigError(
            "trainer.graph=true: with module= Lightning's own loop makes the steps; accepted: "
            "auto, false"
        )
    _check_options(settings.trainer.lightning)
    for name, node in settings.callbacks.items():
        target = str(node.get("_target_"))
        if why := CALLBACKS.get(target.rpartition(".")[2]):
            raise ConfigError(f"callbacks.{name}._target_={target}: {why}")


def _check_users(settings: Settings) -> None:
    """Check what only a user's own module needs."""
    metrics = settings.metrics
    for key in ("val", "test"):
        if getattr(metrics, key) is None:
            raise ConfigError(f"metrics.{key}=null: the name under which the module logs it")
    if metrics.mode is None:
        monitored = metrics.monitor or metrics.val
        raise ConfigError(f"metrics.mode=null: min or max, which {monitored} is the best")
    if settings.trainer.compile:
        raise ConfigError(
            "trainer.compile=true: with module= the module compiles itself, by "
            "self.net.compile() in its constructor; accepted: false"
        )


def _check_supervised(settings: Settings) -> None:
    """Check what only our own module needs."""
    if not is_stream(settings.config):
        target = None if settings.datamodule is None else settings.datamodule["_target_"]
        raise ConfigError(
            f"datamodule._target_={show(target)}: module=supervised trains on "
            "datamodule=image_stream; data in memory need no module"
        )
    for name, value in vars(settings.metrics).items():
        if value not in (None, False):
            raise ConfigError(f"metrics.{name}={show(value)}: with module=supervised task says it")
    if settings.task.metrics:
        raise ConfigError(
            f"task.metrics={show(settings.task.metrics)}: not there with module=supervised; "
            "accepted: {}"
        )
    for name, instead in INSTEAD_WITH_SUPERVISED.items():
        if name in settings.trainer.lightning:
            raise ConfigError(
                f"trainer.lightning.{name}: not with module=supervised; instead: {instead}"
            )


def score_of_metrics(settings: Settings) -> Score:
    """Return the score of a run with `module=`."""
    metrics = settings.metrics
    monitored = metrics.monitor in (None, metrics.val)
    direction = metrics.val_mode or (metrics.mode if monitored else "max")
    is_share = bool(metrics.is_share)
    return Score(str(metrics.val), higher_is_better=direction == "max", is_share=is_share)


def _check_unused(settings: Settings) -> None:
    needs = "only with module._target_, the name of a LightningModule, or module=supervised"
    if settings.datamodule is not None:
        target = settings.datamodule["_target_"]
        raise ConfigError(f"datamodule._target_={target}: {needs}")
    for name, value in vars(settings.metrics).items():
        if value not in (None, False):
            raise ConfigError(f"metrics.{name}={show(value)}: {needs}")
    for name, value in settings.trainer.lightning.items():
        raise ConfigError(f"trainer.lightning.{name}={show(value)}: {needs}")


def _check_options(names: Iterable[str]) -> None:
    for name in names:
        if name in INSTEAD:
            raise ConfigError(f"trainer.lightning.{name}: not passed on; instead: {INSTEAD[name]}")
        if name not in OPTIONS:
            raise ConfigError(f"trainer.lightning.{name}: accepted: {', '.join(OPTIONS)}")
