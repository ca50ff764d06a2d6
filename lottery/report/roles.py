"""What a setting is in an experiment: the ticket, or one of its controls."""

import re
from collections.abc import Mapping
from typing import Any

from lottery.record.equivalent_reinits import plainest_reinit

Config = Mapping[str, Any]

WINNING_TICKET = "winning ticket"
RANDOM_REINIT = "random reinit"
RANDOM_TICKET = "random ticket"
RANDOM_PRUNING = "random pruning"
CHAINED_REINIT = "chained reinit"
ONE_SHOT_TICKET = "one-shot ticket"

# What criteria are called; the others by their classes
CRITERIA = {"Random": RANDOM_PRUNING, "Snip": "SNIP", "Grasp": "GraSP", "SynFlow": "SynFlow"}
# What the other reinits are called
STARTS = {
    "Continue": "training continued",
    "LrRewind": "learning-rate rewinding",
    "Finetune": "fine-tuning",
    "Sign": "initial signs",
}

# What may differ between a ticket and a control that copies its masks ...
OF_MASKS = ("criterion.", "scope.", "pruning.", "model.rates", "seeds.pruning")
# ... and one that prunes by itself, at random, which is the same before and after training
OF_CRITERION = ("criterion.", "seeds.pruning", "pruning.at")


def copies(config: Config) -> bool:
    """Whether the masks are another run's."""
    return _class(config, "criterion") == "CopiedPruner"


def trunk_of(config: Config) -> tuple[str, int | None]:
    """The trunk's setting, by the name of its folder, and its seed where that is a fixed one."""
    name, _, seed = str(config.get("criterion.run")).partition("/seed_")
    return name, int(seed) if seed.isdigit() else None


def role_of(config: Config) -> str:
    """A setting's role, in the field's words.

    Chained reinit (`reinit=random` with its own pruning) is another experiment than random reinit,
    which takes the ticket's masks.
    """
    reinit = _class(config, "reinit")
    if copies(config):
        return _role_of_copy(config, reinit)
    pruning, one_shot = _pruning(config), is_one_shot(config)
    if reinit == "Rewind":
        role = pruning or _ticket(config)
        return ONE_SHOT_TICKET if one_shot and role == WINNING_TICKET else _shot(role, one_shot)
    start = CHAINED_REINIT if reinit == "Random" else STARTS.get(reinit, reinit)
    return _shot(", ".join(part for part in (pruning, start) if part), one_shot)


def _shot(role: str, one_shot: bool) -> str:
    return f"{role}, one shot" if one_shot else role


def _pruning(config: Config) -> str:
    """What chooses the masks; nothing for the usual magnitude after training."""
    criterion = _class(config, "criterion")
    at_init = config.get("pruning.at") == "init"
    if criterion == "Magnitude" and not at_init:
        return ""
    name = CRITERIA.get(criterion) or _spaced(criterion)
    return f"{name} at init" if at_init else name


def _spaced(name: str) -> str:
    """A class's name in words; a user's own, which has its module's, as it is.

    Example:
        >>> _spaced("LargeInit"), _spaced("mine.LargeInit")
        ('large init', 'mine.LargeInit')
    """
    return name if "." in name else re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def _role_of_copy(config: Config, reinit: str) -> str:
    start = RANDOM_REINIT if reinit == "Random" else STARTS.get(reinit, reinit)
    if config.get("criterion.shuffle", "none") != "none":
        return RANDOM_TICKET if reinit == "Rewind" else f"masks shuffled, {start}"
    if reinit == "Random":
        return RANDOM_REINIT
    return "copied masks" if reinit == "Rewind" else f"copied masks, {start}"


def _ticket(config: Config) -> str:
    """A network rewound to a later step is not called a winning ticket."""
    to = config.get("reinit.to", 0)
    return WINNING_TICKET if to in (0, "0it") else f"rewound to {to}"


def is_ticket(config: Config) -> bool:
    """Whether a setting finds tickets: it chooses masks, not at random, and rewinds."""
    criterion, reinit = _class(config, "criterion"), _class(config, "reinit")
    return not copies(config) and criterion != "Random" and reinit == "Rewind"


def is_one_shot(config: Config) -> bool:
    """Whether one pruning removes everything: the rounds are 0 and 1."""
    return config.get("pruning.one_shot") is not None


def is_control(control: Config, ticket: Config, ticket_name: str) -> bool:
    """Whether a setting is random pruning, a random ticket, or a ticket's masks started otherwise.

    The last is *random reinit* and, with the same masks, fine-tuning and the like.

    Args:
        control: its canonical config.
        ticket: the ticket's.
        ticket_name: the name of the folder of the ticket's setting.
    """
    if not is_ticket(ticket):
        return False
    role = role_of(control)
    if role.startswith(RANDOM_PRUNING) and _class(control, "reinit") == "Rewind":
        return _equal(control, ticket, OF_CRITERION)
    if not copies(control) or trunk_of(control)[0] != ticket_name:
        return False
    if role == RANDOM_TICKET:
        return _equal(control, ticket, OF_MASKS)
    shuffled = control.get("criterion.shuffle", "none") != "none"
    another_start = not _equal(control, ticket, OF_MASKS)
    return not shuffled and another_start and _equal(control, ticket, (*OF_MASKS, "reinit."))


def is_same_training(one: Config, other: Config) -> bool:
    """Whether two settings differ in their reinit alone, and only by name.

    Under a constant learning rate, learning-rate rewinding and fine-tuning are one training.
    """
    return _equal(one, other, ("reinit.",)) and plainest_reinit(one) == plainest_reinit(other)


def _equal(one: Config, other: Config, but: tuple[str, ...]) -> bool:
    return all(
        one.get(key) == other.get(key)
        for key in one.keys() | other.keys()
        if not key.startswith(but)
    )


def _class(config: Config, group: str) -> str:
    """The name of a part's class; a user's own keeps its module, so that it is not taken for ours.

    Example:
        >>> _class({"reinit._target_": "lottery.reinit.Rewind"}, "reinit")
        'Rewind'
        >>> _class({"criterion._target_": "mine.Random"}, "criterion")
        'mine.Random'
    """
    target = str(config.get(f"{group}._target_"))
    return target.rpartition(".")[2] if target.startswith("lottery.") else target
