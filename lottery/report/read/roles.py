"""The role of a setting in an experiment: the ticket, or one of its controls."""

import re
from collections.abc import Mapping
from typing import Any

from lottery.record.equivalent_reinits import plainest_reinit

Config = Mapping[str, Any]

TICKET = "ticket"
RANDOM_REINIT = "random reinit"
RANDOM_TICKET = "random ticket"
RANDOM_PRUNING = "random pruning"
CHAINED_REINIT = "chained reinit"
ONE_SHOT_TICKET = "one-shot ticket"
# follows a random start where round 0 starts from a checkpoint (`model.init_from`)
NOT_PRETRAINED = ", not pretrained"

# Display names of criteria; other criteria are named by their classes
CRITERIA = {
    "EdgePopup": "edge-popup",
    "Grasp": "GraSP",
    "Random": RANDOM_PRUNING,
    "Snip": "SNIP",
    "SynFlow": "SynFlow",
}
NOT_TRAINED = ("EdgePopup",)  # their rounds train no weights, so that they have no tickets
REINITS = {
    "Continue": "training continued",
    "LrRewind": "learning-rate rewinding",
    "Finetune": "fine-tuning",
    "Sign": "initial signs",
}

# Masks that move while a round trains; STATIC is their control
STATIC = "static mask"
DYNAMICS = {
    "AcDc": "AC/DC",
    "Gmp": "gradual pruning",
    "Rigl": "RigL",
    "Set": "SET",
    "Static": STATIC,
}

# Keys that may differ between a ticket and a control that copies its masks ...
MASK_KEYS = ("criterion.", "scope.", "pruning.", "model.rates", "seeds.pruning")
# ... and between a ticket and random pruning, which does the same before and after training
CRITERION_KEYS = ("criterion.", "seeds.pruning", "pruning.at")


def copies(config: Config) -> bool:
    """Return whether the masks are copied from another run."""
    return _class(config, "criterion") == "CopiedPruner"


def trunk_of(config: Config) -> tuple[str, int | None]:
    """Return the folder name of the trunk's setting, and the trunk's seed if one is fixed."""
    name, _, seed = str(config.get("criterion.run")).partition("/seed_")
    return name, int(seed) if seed.isascii() and seed.isdigit() else None


def role_of(config: Config) -> str:
    """Return a setting's role, in the field's words; random reinit takes a ticket's masks."""
    reinit = _class(config, "reinit")
    if has_dynamic(config):
        return _role_of_dynamic(config, reinit)
    if copies(config):
        return _role_of_copy(config, reinit)
    pruning = _pruning(config)
    if reinit == "Rewind":
        to = config.get("reinit.to", 0)
        role = pruning or (TICKET if to in (0, "0it") else f"rewound to {to}")
    else:
        start = _random_start(config, CHAINED_REINIT) or REINITS.get(reinit, reinit)
        role = f"{pruning}, {start}" if pruning else start
    if not is_one_shot(config):
        return role
    return ONE_SHOT_TICKET if role == TICKET else f"{role}, one shot"


def has_dynamic(config: Config) -> bool:
    """Return whether ES is looked for only where masks that move have settled."""
    return config.get("dynamic._target_") is not None


def _role_of_dynamic(config: Config, reinit: str) -> str:
    """Name what moves the masks, and the masks that a round begins with."""
    dynamic = _class(config, "dynamic")
    name = DYNAMICS.get(dynamic, dynamic)
    if dynamic in ("Gmp", "AcDc"):  # begin dense
        words = [name, _pruning(config)]
    elif copies(config):
        words = [f"{name} from copied masks"]
    else:
        words = [f"{name} from {_pruning(config) or 'magnitude pruning'}"]
    if reinit != "Rewind":
        words.append(_random_start(config, CHAINED_REINIT) or REINITS.get(reinit, reinit))
    return ", ".join(word for word in words if word)


def _pruning(config: Config) -> str:
    """Name what chooses the masks; "" for the default, magnitude after training."""
    criterion = _class(config, "criterion")
    at_init = config.get("pruning.at") == "init"
    inverted = bool(config.get("criterion.inverted"))
    if criterion == "Magnitude" and not at_init and not inverted:
        return ""
    name = CRITERIA.get(criterion, criterion)
    if criterion not in CRITERIA and "." not in name:  # LargeInit; mine.LargeInit stays
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    name = f"inverted {name}" if inverted else name
    return f"{name} at init" if at_init else name


def _role_of_copy(config: Config, reinit: str) -> str:
    start = _random_start(config, RANDOM_REINIT) or REINITS.get(reinit, reinit)
    if _is_shuffled(config):
        return RANDOM_TICKET if reinit == "Rewind" else f"masks shuffled, {start}"
    if reinit == "Random":
        return start
    return "copied masks" if reinit == "Rewind" else f"copied masks, {start}"


def _random_start(config: Config, name: str) -> str:
    """Return the name of a random start; "" if rounds start from stored weights."""
    if _class(config, "reinit") != "Random":
        return ""
    return name + (NOT_PRETRAINED if config.get("model.init_from") else "")


def _is_shuffled(config: Config) -> bool:
    return bool(config.get("criterion.shuffle", "none") != "none")


def is_ticket(config: Config) -> bool:
    """Return whether a setting finds tickets: it chooses masks, not at random, and rewinds.

    Masks that move while a round trains are no ticket's.
    """
    criterion, reinit = _class(config, "criterion"), _class(config, "reinit")
    chosen = not copies(config) and criterion not in ("Random", *NOT_TRAINED)
    return chosen and reinit == "Rewind" and not has_dynamic(config)


def is_one_shot(config: Config) -> bool:
    """Return whether one pruning removes everything, so that there are rounds 0 and 1 only."""
    return config.get("pruning.one_shot") is not None


def is_control(control: Config, ticket: Config, ticket_name: str) -> bool:
    """Return whether a setting is a control of a ticket.

    Controls are random pruning, a random ticket, and the ticket's masks with another start. The
    control of masks that move are the same ones that stay.
    """
    if has_dynamic(ticket) and _class(control, "dynamic") == "Static" != _class(ticket, "dynamic"):
        same_end = control.get("dynamic.end") == ticket.get("dynamic.end")
        return same_end and _equal_except(control, ticket, ("dynamic.",))
    if not is_ticket(ticket):
        return False
    role = role_of(control)
    if role.startswith(RANDOM_PRUNING) and _class(control, "reinit") == "Rewind":
        return _equal_except(control, ticket, CRITERION_KEYS)
    if not copies(control) or trunk_of(control)[0] != ticket_name:
        return False
    if role == RANDOM_TICKET:
        return _equal_except(control, ticket, MASK_KEYS)
    if _is_shuffled(control) or _equal_except(control, ticket, MASK_KEYS):
        return False  # other masks, or the same start
    return _equal_except(control, ticket, (*MASK_KEYS, "reinit."))


def same_but_draw(one: Config, other: Config) -> bool:
    """Return whether two controls differ at most in the draw of their random weights."""
    return _equal_except(one, other, ("reinit.draw",))


def is_same_training(one: Config, other: Config) -> bool:
    """Return whether two settings differ only in their reinit, and there only by name."""
    same_reinit = plainest_reinit(one) == plainest_reinit(other)
    return same_reinit and _equal_except(one, other, ("reinit.",))


def _equal_except(one: Config, other: Config, prefixes: tuple[str, ...]) -> bool:
    keys = {key for key in one.keys() | other.keys() if not key.startswith(prefixes)}
    return all(one.get(key) == other.get(key) for key in keys)


def _class(config: Config, group: str) -> str:
    """Return the class name of a group; a user's own class keeps its module, unlike ours."""
    target = str(config.get(f"{group}._target_"))
    return target.rpartition(".")[2] if target.startswith("lottery.") else target
