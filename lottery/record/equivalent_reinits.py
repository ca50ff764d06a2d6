"""Settings that are the same training by construction, though their names differ."""

import re
from collections.abc import Mapping
from typing import Any

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
    """The reinit of a setting, or the plainest one that gives the same training bit for bit.

    Two settings that are equal but for their reinits are the same training where these are equal.
    Nothing is claimed that does not follow from the settings alone.

    - `lr_rewind` is `finetune` where the learning rate is the same in all its steps;
    - `none` is `lr_rewind` of all steps where the optimizer has no state (SGD without momentum);
    - an optimizer state is fresh where there is none, or at step 0.

    Args:
        config: a canonical config.

    Returns:
        `option` (the name in conf/reinit, or a user's class) and its arguments.

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
    if option == "none" and _has_no_state(config):
        option, arguments = "lr_rewind", {"steps": None}
    if option == "lr_rewind" and _rate_is_constant(config, arguments.get("steps")):
        option = "finetune"
    if option == "rewind" and (arguments.get("to") == 0 or _has_no_state(config)):
        arguments["optimizer_state"] = "fresh"
    return {"option": option, **arguments}


def note_on_reinit(config: Config) -> str | None:
    """A line for who chose a reinit that trains as another one does; None for the others.

    Args:
        config: a canonical config.
    """
    chosen = OPTIONS.get(str(config.get("reinit._target_")))
    other = plainest_reinit(config)["option"]
    if chosen == "finetune" and _rate_is_constant(config, config["reinit.steps"]):
        other = "lr_rewind"
    if chosen is None or chosen == other:
        return None
    reasons = (
        ["the learning rate is the same in all its steps"] if "finetune" in (chosen, other) else []
    )
    if chosen == "none":
        reasons.append("the optimizer has no state to carry on")
    return f"reinit={chosen}: the same training as reinit={other}, as {' and '.join(reasons)}"


def _has_no_state(config: Config) -> bool:
    return config.get("optimizer._target_") == "torch.optim.SGD" and not config.get(
        "optimizer.momentum"
    )


def _rate_is_constant(config: Config, steps: Any) -> bool:
    """Whether the last `steps` of a training (None for all) have one learning rate.

    Numbers of steps and of epochs are not compared: how long an epoch is is not in the settings.
    """
    scheduler = str(config.get("scheduler._target_")).removeprefix("lottery.training.schedules.")
    if scheduler == "Constant":
        return True
    if scheduler not in ("StepDrops", "Warmup"):
        return False
    whole, length = _read(config.get("iterations")), _read(steps or config.get("iterations"))
    drops = [_read(at) for at in config["scheduler.at"]]
    rise = _read(config["scheduler.steps"]) if scheduler == "Warmup" else (0, whole[1])
    if {unit for _, unit in (whole, length, rise, *drops)} != {whole[1]}:
        return False
    first = whole[0] - length[0]
    return rise[0] <= first and all(drop <= first or drop >= whole[0] for drop, _ in drops)


def _read(duration: Any) -> tuple[int, str]:
    match = re.fullmatch(r"(\d+)(ep|it)?", str(duration))
    return (int(match[1]), match[2] or "it") if match else (0, "unknown")
