"""`dynamic`: masks that move while a round trains."""

from lottery.config.instantiate import check_made, make
from lottery.config.pruning import PruningSetup
from lottery.config.rules import show
from lottery.config.settings import Settings
from lottery.config.targets import Node, load_target
from lottery.dynamic import Dynamic, Span, Static, restarts_schedule, starts_dense
from lottery.errors import ConfigError
from lottery.reinit import Finetune, Reinit, steps_to_come
from lottery.training.schedules import Constant


def build_dynamic(
    settings: Settings,
    pruning: PruningSetup,
    reinit: Reinit,
    num_steps: int,
    steps_per_epoch: int,
) -> Dynamic | None:
    """Return what moves the masks, checked against pruning and the length of a round."""
    node = settings.dynamic
    if node is None:
        return None
    dynamic: Dynamic = make(node, "dynamic", steps_per_epoch=steps_per_epoch)
    check_made(dynamic, node, "dynamic", "steps", "settled", "quota", "__call__")
    name = type(dynamic).__name__.lower()
    if settings.pruning.units != "none":
        raise ConfigError(
            f"pruning.units={settings.pruning.units}: dynamic={name} moves single weights; "
            "accepted: none"
        )
    if settings.early_bird.epsilon is not None:
        raise ConfigError(
            f"early_bird.epsilon={settings.early_bird.epsilon}: must be null with dynamic={name}"
        )
    if starts_dense(dynamic):
        _check_pruning(settings, pruning, name)
    if restarts_schedule(dynamic):
        _check_restart(settings, reinit)
    steps = steps_to_come(reinit, num_steps)
    if not isinstance(dynamic, Static) and not dynamic.steps(Span(num_steps - steps, num_steps)):
        raise ConfigError(f"{_arguments(node)}: no update in a round of {steps} steps")
    return dynamic


def _check_pruning(settings: Settings, pruning: PruningSetup, name: str) -> None:
    """Check what prunes a round while it trains: scores of the weights of the moment."""
    if settings.copying:
        raise ConfigError(
            f"dynamic={name}: prunes while a round trains, and criterion=copy has the masks of "
            "another run; accepted: static, set, rigl, none"
        )
    if settings.pruning.at == "init":
        raise ConfigError(
            f"pruning.at=init: dynamic={name} scores the weights while they are trained; "
            "accepted: trained"
        )
    if pruning.runs_network:
        raise ConfigError(
            f"criterion._target_={settings.criterion.node['_target_']}: runs the network; "
            f"dynamic={name} takes criteria that look at weights alone"
        )
    if settings.criterion.iterations > 1:
        raise ConfigError(
            f"criterion.iterations={settings.criterion.iterations}: dynamic={name} scores once "
            "in each update; accepted: 1"
        )


def _check_restart(settings: Settings, reinit: Reinit) -> None:
    """Check that the schedule of the learning rate can begin again, and that this changes it."""
    target = settings.scheduler["_target_"]
    schedule = load_target(settings.scheduler, "scheduler")
    if schedule is Constant:
        why = f"scheduler._target_={target} has one rate at all steps"
    elif hasattr(schedule, "after"):
        why = f"scheduler._target_={target} follows the validation loss and counts no steps"
    elif isinstance(reinit, Finetune):
        why = f"reinit._target_={settings.reinit['_target_']} keeps one rate at all steps"
    else:
        return
    raise ConfigError(f"dynamic.restart=true: {why}; accepted: false")


def _arguments(node: Node) -> str:
    names = [name for name in ("every", "begin", "phase", "end") if name in node]
    shown = ", ".join(f"dynamic.{name}={show(node[name])}" for name in names)
    return shown or f"dynamic._target_={node['_target_']}"
