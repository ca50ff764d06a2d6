"""The claims that lottery comes with: each file is whole, and its runs can be composed."""

from pathlib import Path
from typing import Any

import pytest

from lottery.claims.claim import SCALES
from lottery.claims.read import claim_of, read_claim, read_claims
from lottery.claims.resolve import resolve
from lottery.conf_dir import conf_dir
from lottery.errors import ConfigError
from lottery.report.read.pairing import ENOUGH_SEEDS

CLAIMS = read_claims()
PROTOCOLS = [(name, scale) for name, claim in CLAIMS.items() for scale in claim.scales]


def test_every_file_is_a_claim() -> None:
    files = sorted(path.name for path in (conf_dir() / "claims").iterdir())
    assert files == [f"{name}.yaml" for name in CLAIMS]
    assert len(files) >= 20
    for claim in CLAIMS.values():
        assert claim.statement[0].isupper()
        assert not claim.statement.endswith(".")
        assert claim.published or claim.source.read == "direction" or claim.needs or claim.ours
        assert all(scale.seeds >= ENOUGH_SEEDS for scale in claim.scales.values())


@pytest.mark.parametrize(("name", "scale"), PROTOCOLS)
def test_its_runs_are_composed_and_checked(name: str, scale: str) -> None:
    """`resolve` checks plain values, too; no torch is needed and nothing is trained."""
    runs = resolve(CLAIMS[name], scale)
    protocol = CLAIMS[name].scales[scale]
    assert {run.arm for run in runs} == CLAIMS[name].arms.keys()
    used = {place.arm for rule in protocol.rules for place in rule.places}
    assert used <= {run.arm for run in runs}
    folders = [run.folder for run in runs]
    assert len(set(folders)) == len(folders)  # no arm is another one by mistake
    for run in runs:
        assert set(run.stability) <= set(run.rounds)
        trunks = [word for word in run.words if word.startswith("criterion.run=")]
        assert all(Path(word.partition("=")[2]) in folders for word in trunks)


def test_small_claims_share_their_runs() -> None:
    small = [name for name, scale in PROTOCOLS if scale == "small"]
    arms = [run.folder for name in small for run in resolve(CLAIMS[name], "small")]
    assert len(set(arms)) < len(arms) * 2 / 3


def test_what_cannot_be_run_is_one_line() -> None:
    lacking = next(claim for claim in CLAIMS.values() if claim.needs)
    with pytest.raises(ConfigError, match=f"{lacking.id}: cannot be run yet: lottery lacks"):
        resolve(lacking, "full")
    with pytest.raises(ConfigError, match="scale=small: only full"):
        resolve(CLAIMS["fc19_conv_2"], "small")


@pytest.mark.parametrize("more", ["iterations=3", "seed=4", "rounds=1", "dry_run=true"])
def test_a_protocol_is_fixed(more: str) -> None:
    with pytest.raises(ConfigError, match=f"{more}: changes results or seeds"):
        resolve(CLAIMS["fc19_ladder"], "small", [more])


def test_where_and_how_it_runs_is_free(folder: Path) -> None:
    (run,) = resolve(CLAIMS["fc19_ladder"], "small", ["output_dir=there", "keep=winner"])
    (plain,) = resolve(CLAIMS["fc19_ladder"], "small")
    assert run.folder == folder / "there" / plain.folder.name


ENTRY: dict[str, Any] = {
    "statement": "A is better",
    "source": {"paper": "P", "place": "figure 1", "read": "text"},
    "arms": {"a": {}},
    "rules": [{"kind": "left", "of": "a", "round": 1, "above": 0}],
    "small": {"overrides": [], "seeds": 3, "cost": "a minute"},
}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"statment": "A"}, "statment: no such field; one of statement, source"),
        ({"statement": 3}, "statement is 3, a text expected"),
        ({"source": {"paper": "P", "place": "f"}}, "source.read is missing"),
        ({"source": ENTRY["source"] | {"read": "rumour"}}, "source.read is 'rumour'; one of"),
        ({"small": ENTRY["small"] | {"seeds": 2}}, "small.seeds is 2, 3 or more expected"),
        ({"small": ENTRY["small"] | {"seed": 2}}, "small.seed: no such field"),
        ({"arms": {"b": {}}}, "rules[0]: no arm 'a'; b"),
        ({"arms": {"a": {"override": []}}}, "arms.a.override: no such field"),
        ({"rules": []}, "small: there are no rules"),
        ({"small": None}, "small is null, an object expected"),
    ],
)
def test_a_wrong_claim_is_one_line(change: dict[str, Any], line: str) -> None:
    assert claim_of("toy", ENTRY).scales.keys() <= set(SCALES)
    with pytest.raises((ValueError, TypeError)) as raised:
        claim_of("toy", ENTRY | change)
    assert line in str(raised.value)


def test_a_file_that_is_no_yaml_is_named(folder: Path) -> None:
    (folder / "x.yaml").write_text("statement: a: b")
    with pytest.raises(ConfigError, match=r"x\.yaml: mapping values are not allowed"):
        read_claim(folder / "x.yaml")


def test_an_arm_copies_from_one_that_stands_before_it() -> None:
    arms = {"a": {"overrides": ["criterion=copy", "criterion.run={b}"]}, "b": {}}
    claim = claim_of("toy", ENTRY | {"arms": arms})
    with pytest.raises(ConfigError, match=r"arms\.a: \{b\}: draw, or an arm that stands before"):
        resolve(claim, "small")
