"""What two networks share: masks, against chance, and the weights that both keep."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from lottery.comparison.networks import Network
from lottery.tensors import Tensors


@dataclass(frozen=True)
class Shared:
    """Counts of places in a layer, or in several layers together."""

    weights: int
    first: int  # that the first network keeps
    second: int
    both: int
    # of `both`, if each network had kept as many weights of each layer at random
    expected: float
    variance: float

    @property
    def overlap(self) -> float:
        """Intersection over union; NaN if nothing is kept."""
        return _ratio(self.both, self.first + self.second - self.both)

    @property
    def overlap_chance(self) -> float:
        """The overlap when as many places are shared as chance would give on average.

        In one layer with densities d and e it is d e / (d + e - d e).
        """
        return _ratio(self.expected, self.first + self.second - self.expected)

    @property
    def overlap_chance_sd(self) -> float:
        """The standard deviation of the overlap by chance, to first order."""
        kept = self.first + self.second
        slope = _ratio(kept, (kept - self.expected) ** 2)
        return slope * math.sqrt(self.variance)

    @property
    def hamming(self) -> float:
        """The share of the places at which the masks differ."""
        return _ratio(self.first + self.second - 2 * self.both, self.weights)

    @property
    def hamming_chance(self) -> float:
        """The share of the places at which they would differ by chance; d + e - 2 d e."""
        return _ratio(self.first + self.second - 2 * self.expected, self.weights)


def count_shared(first: Tensor, second: Tensor) -> Shared:
    """Count what two masks of a layer share.

    By chance, `both` has the hypergeometric distribution: draw b of n places of which a are kept.

    Example:
        >>> one, other = torch.tensor([1, 1, 0, 0]).bool(), torch.tensor([1, 0, 1, 0]).bool()
        >>> shared = count_shared(one, other)
        >>> shared.overlap, shared.overlap_chance, shared.hamming, shared.hamming_chance
        (0.3333333333333333, 0.3333333333333333, 0.5, 0.5)
    """
    n, a, b = first.numel(), int(first.sum()), int(second.sum())
    return Shared(
        weights=n,
        first=a,
        second=b,
        both=int((first & second).sum()),
        expected=a * b / n,
        variance=a * b * (n - a) * (n - b) / (n * n * (n - 1)) if n > 1 else 0.0,
    )


def add_up(layers: Iterable[Shared]) -> Shared:
    """Return the counts of several layers together; chance stays inside each layer."""
    found = list(layers)
    sums = {f.name: sum(getattr(layer, f.name) for layer in found) for f in fields(Shared)}
    return Shared(**sums)


def same_signs(
    first: Tensors | None, second: Tensors | None, places: Mapping[str, Tensor]
) -> dict[str, int] | None:
    """Count the places of each layer at which two networks' weights have the same sign.

    None if the weights of one are not there. Two zeros have the same sign.
    """
    if first is None or second is None:
        return None
    return {
        name: int((first[name][at].sign() == second[name][at].sign()).sum())
        for name, at in places.items()
    }


def magnitude_correlation(first: Tensor, second: Tensor) -> float:
    """Return Pearson's correlation of |weights|; NaN for fewer than two, or if one is constant.

    Example:
        >>> magnitude_correlation(torch.tensor([1.0, -2.0, 3.0]), torch.tensor([-2.0, 4.0, 6.0]))
        1.0
    """
    if len(first) < 2:
        return math.nan
    one, other = (values.double().abs() for values in (first, second))
    one, other = one - one.mean(), other - other.mean()
    lengths = float(torch.linalg.vector_norm(one) * torch.linalg.vector_norm(other))
    return round(_ratio(float(one @ other), lengths), 12)  # the last digits depend on the machine


def kept_by_both(first: Network, second: Network) -> dict[str, Tensor]:
    """Return by layer where both networks keep the weight."""
    return {name: mask & second.masks[name] for name, mask in first.masks.items()}


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else math.nan
