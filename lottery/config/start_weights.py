"""`model.init_from`: the weights of a checkpoint, from which round 0 starts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from lottery.config.weights_file import file_digest, read_weights
from lottery.errors import ConfigError
from lottery.models.state import State, all_buffers
from lottery.tensors import Tensors

KEY = "model.init_from"
ACCEPTED = "a file with a state dict of this network (.safetensors, .pth, .ckpt), or null"
SHOWN = 3  # names in a message
# BatchNorm's count of batches, which nothing reads with a fixed momentum; old files lack it.
COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class StartWeights:
    """The weights and buffers of a checkpoint, by the names of the network that they fit."""

    file: str  # its name
    digest: str
    tensors: Tensors
    head: tuple[str, ...]  # names of the last layer, which is drawn, as the classes are others
    classes: tuple[int, int]  # of the head, in the file and here

    @property
    def name(self) -> str:
        """The file's name for messages and digests."""
        return f"{KEY}={self.file}"

    def over(self, drawn: State) -> State:
        """Return the state of a drawn network with the checkpoint's weights and buffers."""
        return State(
            weights={name: self.tensors.get(name, t) for name, t in drawn.weights.items()},
            buffers={name: self.tensors.get(name, t) for name, t in drawn.buffers.items()},
        )

    def notes(self, *, draws_later: bool) -> list[str]:
        """Return lines for the user on what is not the checkpoint's.

        `draws_later` says that later rounds start from random weights.
        """
        there, here = self.classes
        same = "every seed starts from the same weights"
        if self.head:
            same = (
                f"{' and '.join(self.head)} are drawn by the seed, because it has {there} classes "
                f"and the network {here}"
            )
        notes = [f"{self.name}: round 0 starts from this file; {same}"]
        if draws_later:
            notes.append(f"reinit=random: later rounds start from random weights, not {self.name}")
        return notes


def read_start_weights(path: str, network: nn.Module, num_outputs: int) -> StartWeights:
    """Read a checkpoint and check that it fits a network, with any number of classes.

    A prefix that all its names have, such as `model.` in a Lightning checkpoint, is left out.
    """
    shown = f"{KEY}={path}"
    state = network.state_dict()
    wanted = dict(network.named_parameters()) | all_buffers(network)
    stored = _without_prefix(read_weights(Path(path), KEY, ACCEPTED), {*wanted, *state})
    found = _under_first_names(stored, network, shown)
    needed = [name for name in wanted if name in state and not name.endswith(COUNTER)]
    _check_names(found, needed=needed, known=wanted, shown=shown)
    head = _find_head(found, wanted, num_outputs)
    for name, tensor in found.items():
        there, here = tuple(tensor.shape), tuple(wanted[name].shape)
        if there != here and name not in head:
            raise ConfigError(f"{shown}: {name} is {there}, {here} expected")
        if tensor.is_floating_point() != wanted[name].is_floating_point() or tensor.is_complex():
            raise ConfigError(f"{shown}: {name} is of {tensor.dtype}, not {wanted[name].dtype}")
    return StartWeights(
        file=Path(path).name,
        digest=file_digest(Path(path)),
        tensors={
            name: tensor.to(wanted[name].dtype, copy=True).contiguous()  # the file may change
            for name, tensor in found.items()
            if name not in head
        },
        head=head,
        classes=(found[head[0]].shape[0] if head else num_outputs, num_outputs),
    )


def _without_prefix(stored: Tensors, known: set[str]) -> Tensors:
    """Leave out what all names begin with, up to a dot, until one of them is known."""
    while stored and known.isdisjoint(stored):
        prefixes = {name.partition(".")[0] for name in stored}
        if len(prefixes) > 1 or not all("." in name for name in stored):
            break
        stored = {name.partition(".")[2]: tensor for name, tensor in stored.items()}
    return stored


def _under_first_names(stored: Tensors, network: nn.Module, shown: str) -> Tensors:
    """Return tensors under the first names of the network's weights: tied ones have several."""
    first = {id(parameter): name for name, parameter in network.named_parameters()}
    every = dict(network.named_parameters(remove_duplicate=False))
    found: Tensors = {}
    for name, tensor in stored.items():
        own = first[id(every[name])] if name in every else name
        if own in found and not tensor.equal(found[own]):
            raise ConfigError(f"{shown}: {own} and {name} are one weight here, and differ there")
        found[own] = tensor
    return found


def _check_names(
    found: Tensors, *, needed: Iterable[str], known: Mapping[str, Tensor], shown: str
) -> None:
    lacking = [name for name in needed if name not in found]
    others = [name for name in found if name not in known]
    faults = [("no", lacking), ("unknown here:", others)]
    texts = [f"{word} {_first_of(names)}" for word, names in faults if names]
    if texts:
        raise ConfigError(f"{shown}: belongs to another network; {'; '.join(texts)}")


def _find_head(found: Tensors, wanted: Mapping[str, Tensor], num_outputs: int) -> tuple[str, ...]:
    """Return the names of the one layer that differs in its number of outputs alone, if any."""
    names = tuple(name for name, tensor in found.items() if tensor.shape != wanted[name].shape)
    differ_in_outputs = all(
        wanted[name].dim() > 0
        and wanted[name].shape[0] == num_outputs
        and wanted[name].shape[1:] == found[name].shape[1:]
        and found[name].dim() == wanted[name].dim()
        for name in names
    )
    one_layer = len({name.rpartition(".")[0] for name in names}) == 1
    return names if differ_in_outputs and one_layer else ()


def _first_of(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"
