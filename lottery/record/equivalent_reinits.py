"""Settings that are the same training by construction, though their names differ."""

from collections.abc import Mapping
from typing import Any

from lottery.record.durations import Duration, parse_duration

Config = Mapping[str, Any]

OPTIONS = {
    "lottery.reinit.Rewind": "rewind",
    "lottery.reinit.Random": "random",
    "lottery.reinit.Sign": "sign",
    "lottery.reinit.Continue": "none",
    "lottery.reinit.LrRewind": "lr_rewind",
    "lottery.reinit.Finetune": "finetune",
}


def plainest_reinit(config: Config) -> dict[str, Any]:
    """Return the plainest reinit that gives the same training as a setting, bit for bit.

    Two settings that differ only in their reinits are the same training if this is equal for both.
    It claims nothing that does not follow from the settings alone.

    - `lr_rewind` that keeps the optimizer's state is `none` if it repeats all steps;
    - `lr_rewind` is `finetune` if the learning rate is the same in all its steps;
    - `none` is `lr_rewind` of all steps if the optimizer has no state (SGD without momentum);
    - an optimizer state is fresh if there is none, or at step 0.

    Example:
        >>> schedule = {"scheduler._target_": "lottery.training.schedules.Constant"}
        >>> lr_rewind = {"reinit._target_": "lottery.reinit.LrRewind", "reinit.steps": 100}
        >>> plainest_reinit(lr_rewind | schedule)
        {'option': 'finetune', 'steps': 100}
    """
    arguments = {
        key.removeprefix("reinit."): value
        for key, value in config.items()
        if key.startswith("reinit.") and key != "reinit._target_"
    }
    target = config.get("reinit._target_")
    option = OPTIONS.get(str(target), target)
    if "steps" in arguments and arguments["steps"] == config.get("iterations"):
        arguments["steps"] = None
    if not arguments.get("keep_optimizer") or _has_no_state(config):
        arguments.pop("keep_optimizer", None)  # false is left out of the config
    elif option == "lr_rewind" and arguments.get("steps") is None:
        option, arguments = "none", {}
    if option == "none" and _has_no_state(config):
        option, arguments = "lr_rewind", {"steps": None}
    keeps = arguments.get("keep_optimizer", False)
    if option == "lr_rewind" and not keeps and _rate_is_constant(config, arguments.get("steps")):
        option = "finetune"
    if option == "rewind" and (arguments.get("to") == 0 or _has_no_state(config)):
        arguments["optimizer_state"] = "fresh"
    return {"option": option, **arguments}


def note_on_reinit(config: Config) -> str | None:
    """Return a line about a reinit that trains as a plainer one does; None for the others."""
    chosen = OPTIONS.get(str(config.get("reinit._target_")))
    other = plainest_reinit(config)["option"]
    if chosen == "finetune" and _rate_is_constant(config, config["reinit.steps"]):
        other = "lr_rewind"
    if chosen is None or chosen == other:
        return None
    reasons = []
    if "finetune" in (chosen, other):
        reasons.append("the learning rate is the same in all its steps")
    if other == "none":
        reasons.append("all steps are repeated with the optimizer's state")
    if chosen == "none":
        reasons.append("the optimizer has no state to carry on")
    return f"reinit={chosen}: the same training as reinit={other}, as {' and '.join(reasons)}"


def _has_no_state(config: Config) -> bool:
    is_sgd = config.get("optimizer._target_") == "torch.optim.SGD"
    return is_sgd and not config.get("optimizer.momentum")


def _rate_is_constant(config: Config, steps: Any) -> bool:
    """Return whether the last `steps` of a training (None for all) have one learning rate.

    Numbers of steps and of epochs are not compared: the settings do not say how long an epoch is.
    """
    if config.get("dynamic.restart"):  # each pruning sets the rate back
        return False
    scheduler = str(config.get("scheduler._target_")).removeprefix("lottery.training.schedules.")
    if scheduler == "Constant":
        return True
    if scheduler not in ("StepDrops", "Warmup"):
        return False
    whole = parse_duration(config["iterations"])
    length = parse_duration(steps or config["iterations"])
    drops = [parse_duration(at) for at in config["scheduler.at"]]
    rise = Duration(0, whole.unit)
    if scheduler == "Warmup":
        rise = parse_duration(config["scheduler.steps"])
    if {duration.unit for duration in (length, rise, *drops)} - {whole.unit}:
        return False
    first = whole.number - length.number
    changes = [drop.number for drop in drops if drop.number < whole.number]
    return all(step <= first for step in [rise.number, *changes])
