"""Seeds by name: independent streams, and pinned values, which repeat old runs."""

import pytest

from lottery.seeds import derive_seed


def test_streams_of_all_seeds_and_purposes_differ() -> None:
    purposes: list[tuple[str | int, ...]] = [
        *[(), ("init",), ("order",), ("augmentation",), ("pruning",), ("reinit", 0, 1)],
        *[(number,) for number in range(20)],
        *[(key, epoch) for key in range(20) for epoch in range(20)],
    ]
    seeds = {derive_seed(seed, *purpose) for seed in range(20) for purpose in purposes}
    assert len(seeds) == 20 * len(purposes)


def test_parts_are_not_run_together() -> None:
    assert derive_seed(1, 23) != derive_seed(12, 3)
    assert derive_seed(0, 1, 11) != derive_seed(0, 11, 1)
    assert derive_seed(0, 1, 1) != derive_seed(0, 11)


@pytest.mark.parametrize("seed", [0, 1, 2**63, 10**30])
def test_a_seed_fits_every_generator(seed: int) -> None:
    assert 0 <= derive_seed(seed, "order") < 2**63


def test_pinned_values() -> None:
    assert derive_seed(0, "init") == 1519069808562059438
    assert derive_seed(7, "order", 3) == 929583480629082613
