"""The rows of a comparison: pairs of networks, and networks alone, by layer and in all."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from lottery.comparison.connections import Counts, dead_units, fan_in, fan_out, on_paths
from lottery.comparison.networks import Network
from lottery.comparison.shared import (
    add_up,
    count_shared,
    kept_by_both,
    magnitude_correlation,
    same_signs,
)
from lottery.masks import count_ones
from lottery.report.read.masks import ALL

Row = dict[str, Any]

OF_PAIR = ("overlap", "overlap_chance", "overlap_chance_sd", "hamming", "hamming_chance")
PAIR_COLUMNS = [
    *("first", "first_round", "second", "second_round", "layer"),
    *("weights", "first_kept", "second_kept", "both_kept", *OF_PAIR),
    *("same_start_signs", "same_final_signs", "magnitude_correlation"),
]
NETWORK_COLUMNS = [
    *("run", "round", "layer", "weights", "kept", "density", "effective_density"),
    *("flips_from_initial", "flips_from_start", "units", "empty_units", "dead_units"),
    *("fan_in_min", "fan_in_median", "fan_in_max"),
    *("inputs", "unused_inputs", "fan_out_min", "fan_out_median", "fan_out_max"),
]


def pair_rows(first: Network, second: Network) -> list[Row]:
    """Return the rows of a pair: one per layer, then all layers together."""
    both = kept_by_both(first, second)
    counts = {name: count_shared(mask, second.masks[name]) for name, mask in first.masks.items()}
    counts[ALL] = add_up(counts.values())
    signs = {
        "same_start_signs": same_signs(first.start, second.start, both),
        "same_final_signs": same_signs(first.final, second.final, both),
    }
    shares = {
        column: _shares(same, {name: counts[name].both for name in both})
        for column, same in signs.items()
    }
    correlations = _correlations(first, second, both)
    head = {
        "first": first.label,
        "first_round": first.round,
        "second": second.label,
        "second_round": second.round,
    }
    return [
        {
            **head,
            "layer": name,
            "weights": shared.weights,
            "first_kept": shared.first,
            "second_kept": shared.second,
            "both_kept": shared.both,
            **{column: getattr(shared, column) for column in OF_PAIR},
            **{column: of_layers[name] for column, of_layers in shares.items()},
            "magnitude_correlation": correlations[name],
        }
        for name, shared in counts.items()
    ]


def network_rows(network: Network) -> list[Row]:
    """Return the rows of a network: one per layer, then all layers together."""
    masks = network.masks
    sizes, kept = {name: mask.numel() for name, mask in masks.items()}, count_ones(masks)
    paths = on_paths(masks) if network.is_chain else None
    effective = None if paths is None else count_ones(paths)
    flips = {f"flips_from_{name}": _flips(network, name, kept) for name in ("initial", "start")}
    units = {name: fan_in(mask) for name, mask in masks.items() if mask.dim() > 1}
    inputs = {name: fan_out(mask) for name, mask in masks.items() if mask.dim() > 1}
    dead = _shares(
        None if paths is None else dead_units(paths), {n: len(u) for n, u in units.items()}
    )
    densities, effective_densities = _shares(kept, sizes), _shares(effective, sizes)
    return [
        {
            "run": network.label,
            "round": network.round,
            "layer": name,
            "weights": sum(sizes.values()) if name == ALL else sizes[name],
            "kept": sum(kept.values()) if name == ALL else kept[name],
            "density": densities[name],
            "effective_density": effective_densities[name],
            **{column: of_layers[name] for column, of_layers in flips.items()},
            **_fan("fan_in", _of(units, name), count="units", empty="empty_units"),
            "dead_units": dead.get(name, math.nan),
            **_fan("fan_out", _of(inputs, name), count="inputs", empty="unused_inputs"),
        }
        for name in [*masks, ALL]
    ]


def _flips(network: Network, since: str, kept: Mapping[str, int]) -> dict[str, float]:
    """Return by layer the share of the kept weights whose sign at the end is another."""
    before = network.initial if since == "initial" else network.start
    same = same_signs(before, network.final, network.masks)
    flipped = None if same is None else {name: kept[name] - count for name, count in same.items()}
    return _shares(flipped, kept)


def _shares(counts: Mapping[str, int] | None, of: Mapping[str, int]) -> dict[str, float]:
    """Return counts as shares by layer and in all; all are NaN if there are no counts."""
    if counts is None:
        return dict.fromkeys([*of, ALL], math.nan)
    shares = {name: counts[name] / n if n else math.nan for name, n in of.items()}
    whole = sum(of.values())
    return {**shares, ALL: sum(counts[name] for name in of) / whole if whole else math.nan}


def _correlations(first: Network, second: Network, both: Mapping[str, Any]) -> dict[str, float]:
    """Return the correlation of magnitudes by layer; in all, the mean weighted by places.

    Layers differ in scale, so one correlation over all layers would be high without a cause.
    """
    if first.final is None or second.final is None:
        return dict.fromkeys([*both, ALL], math.nan)
    one, other = first.final, second.final
    found = {
        name: magnitude_correlation(one[name][at], other[name][at]) for name, at in both.items()
    }
    known = {name: int(both[name].sum()) for name, value in found.items() if value == value}
    total = sum(known.values())
    mean = sum(found[name] * n for name, n in known.items()) / total if total else math.nan
    return {**found, ALL: mean}


def _of(counts: Mapping[str, Counts], name: str) -> Counts:
    """Return the counts of a layer, or of all; a parameter with one dimension has none."""
    none = np.zeros(0)
    return np.concatenate([none, *counts.values()]) if name == ALL else counts.get(name, none)


def _fan(name: str, counts: Counts, *, count: str, empty: str) -> Row:
    some = len(counts) > 0
    return {
        count: len(counts),
        empty: float((counts == 0).mean()) if some else math.nan,
        f"{name}_min": int(counts.min()) if some else None,
        f"{name}_median": float(np.median(counts)) if some else math.nan,
        f"{name}_max": int(counts.max()) if some else None,
    }
