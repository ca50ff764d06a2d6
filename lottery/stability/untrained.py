"""The score of untrained weights under a mask (a supermask), and of the dense start."""

from pathlib import Path

from lottery.masks import Masks, density, masked
from lottery.models.state import Start, State
from lottery.record.files import write_json
from lottery.record.stability_schema import StartJson
from lottery.record.typed import read_typed
from lottery.stability.copies import REPAIR, state_digest
from lottery.stability.interpolation import measure_at
from lottery.training import LightningFit


def measure_untrained(
    fit: LightningFit, number: int, start: Start, masks: Masks, path: Path
) -> None:
    """Measure a round's start with and without its mask, unless the file has both already.

    A mask of trained weights can lift untrained ones well above chance (Zhou et al. 2019).
    """
    states = {
        "masked": State(masked(start.weights, masks), start.buffers),
        "dense": State(start.weights, start.buffers),
    }
    digests = {name: state_digest(state) for name, state in states.items()}
    if path.exists() and read_typed(path, StartJson, REPAIR)["digests"] == digests:
        return
    fit.network.to(fit.device.torch_device)
    metric = fit.task.score.metric
    points = [
        {"weights": name, "split": split, "loss": found.loss, metric: found.score}
        for name, state in states.items()
        for split, found in measure_at(
            fit.network, state, fit.splits, loss=fit.loss, task=fit.task
        ).items()
    ]
    write_json(
        path,
        {
            "round": number,
            "step": start.first_step,
            "remaining": density(masks),
            "digests": digests,
            "points": points,
        },
    )
