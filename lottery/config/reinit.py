"""`reinit`: where rounds start."""

from lottery.config.instantiate import check_made, make
from lottery.config.rules import show
from lottery.config.settings import Settings
from lottery.config.targets import load_target
from lottery.errors import ConfigError
from lottery.reinit import Finetune, LrRewind, Reinit, steps_to_come


def build_reinit(settings: Settings, steps_per_epoch: int, num_steps: int) -> Reinit:
    """Return the reinit, checked against the length of a training."""
    node = settings.reinit
    reinit: Reinit = make(node, "reinit", steps_per_epoch=steps_per_epoch)
    check_made(reinit, node, "reinit", "rewind_step", "source", "carries_optimizer", "__call__")
    durations = getattr(load_target(node, "reinit"), "durations", ())
    asked = ", ".join(f"reinit.{name}={show(node[name])}" for name in durations if name in node)
    asked = asked or f"reinit._target_={node['_target_']}"
    if reinit.rewind_step >= num_steps:
        raise ConfigError(f"{asked}: must come before the end of training, step {num_steps}")
    if steps_to_come(reinit, num_steps) > num_steps:
        raise ConfigError(f"{asked}: at most the {num_steps} steps of a training")
    if settings.module is None and hasattr(load_target(settings.scheduler, "scheduler"), "after"):
        _check_following(settings, reinit, asked, num_steps)
    _check_copying(settings, reinit)
    return reinit


def _check_following(settings: Settings, reinit: Reinit, asked: str, num_steps: int) -> None:
    """Check that no round takes up a schedule that follows the validation loss at its end."""
    repeats_a_part = isinstance(reinit, LrRewind) and reinit.steps_to_come(num_steps) < num_steps
    if repeats_a_part or isinstance(reinit, Finetune):
        raise ConfigError(
            f"{asked}: takes up the last steps of the schedule, and scheduler._target_="
            f"{settings.scheduler['_target_']} follows the validation loss of each round; "
            "accepted: reinit=lr_rewind with reinit.steps=null, or another schedule"
        )


def _check_copying(settings: Settings, reinit: Reinit) -> None:
    """Check that a round that starts from the end of the last one can have copied masks."""
    copying = settings.copying
    if copying is None or reinit.source != "last":
        return
    if copying.rounds is not None:
        raise ConfigError(
            f"criterion.rounds={copying.rounds}: must be null with this reinit, "
            "where each round continues from the one before"
        )
    if copying.shuffle != "none":
        raise ConfigError(
            f"criterion.shuffle={copying.shuffle}: must be none with this reinit: it continues "
            "from weights that are pruned elsewhere; a random ticket starts from dense weights"
        )
