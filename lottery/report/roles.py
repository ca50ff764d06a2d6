"""What a setting is in an experiment: the ticket, or one of its controls."""

from collections.abc import Mapping
from typing import Any

Config = Mapping[str, Any]

WINNING_TICKET = "winning ticket"
RANDOM_REINIT = "random reinit"
RANDOM_TICKET = "random ticket"
RANDOM_PRUNING = "random pruning"
CHAINED_REINIT = "chained reinit"

# What the other reinits are called
STARTS = {
    "Continue": "training continued",
    "LrRewind": "learning-rate rewinding",
    "Finetune": "fine-tuning",
    "Sign": "initial signs",
}

# What may differ between a ticket and a control that copies its masks ...
OF_MASKS = ("criterion.", "scope.", "pruning.", "model.rates", "seeds.pruning")
# ... and one that prunes by itself
OF_CRITERION = ("criterion.", "seeds.pruning")


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
    criterion = _class(config, "criterion")
    pruning = {"Magnitude": "", "Random": RANDOM_PRUNING}.get(criterion, criterion)
    if reinit == "Rewind":
        return pruning or _ticket(config)
    start = CHAINED_REINIT if reinit == "Random" else STARTS.get(reinit, reinit)
    return ", ".join(part for part in (pruning, start) if part)


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


def is_control(control: Config, ticket: Config, ticket_name: str) -> bool:
    """Whether a setting is the random reinit, random ticket or random pruning of a ticket.

    Args:
        control: its canonical config.
        ticket: the ticket's.
        ticket_name: the name of the folder of the ticket's setting.
    """
    if not is_ticket(ticket):
        return False
    role = role_of(control)
    if role == RANDOM_PRUNING:
        return _equal(control, ticket, OF_CRITERION)
    if trunk_of(control)[0] != ticket_name:
        return False
    if role == RANDOM_REINIT:
        return _equal(control, ticket, (*OF_MASKS, "reinit."))
    return role == RANDOM_TICKET and _equal(control, ticket, OF_MASKS)


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
