"""The head of a report of several settings: how many have which verdict."""

from collections import Counter
from collections.abc import Sequence

from lottery.report.read.controls import against_dense
from lottery.report.read.pairing import ENOUGH_SEEDS
from lottery.report.read.settings import Setting
from lottery.report.words.controls import JudgedControl, controls_of
from lottery.report.words.dense import is_winning_ticket
from lottery.report.words.rounds import enumerate_words
from lottery.report.words.table import plural
from lottery.report.words.tile import Headline, Tile
from lottery.report.words.verdicts import BEATS, BEHIND, MATCHES, TOO_FEW, UNDECIDED, judge

# What one setting, or several, do by their verdict
PHRASES = {
    BEATS: ("beats its dense network", "beat their dense networks"),
    MATCHES: ("matches its dense network", "match their dense networks"),
    BEHIND: ("is behind its dense network", "are behind their dense networks"),
    UNDECIDED: ("is undecided", "are undecided"),
    TOO_FEW: ("has not enough seeds to say", "have not enough seeds to say"),
}


def headline_of_many(settings: Sequence[Setting], controls: Sequence[JudgedControl]) -> Headline:
    """Count the verdicts of settings that prune: none is picked by its result."""
    judged, winning, seeds = Counter[str](), 0, []
    for setting in settings:
        if gains := against_dense(setting):
            judged[judge(gains.best.summary, setting.margin)] += 1
            winning += is_winning_ticket(setting, gains, controls_of(setting, controls))
            seeds.append(len(gains.seeds))
    if not judged:
        return Headline("No pruned network can be compared with its dense one yet.")
    counts = [
        f"{judged[verdict]} {many if judged[verdict] > 1 else one}"
        for verdict, (one, many) in PHRASES.items()
        if judged[verdict]
    ]
    total, good = len(seeds), judged[BEATS] + judged[MATCHES]
    enough = total - judged[TOO_FEW]
    low, high = min(seeds), max(seeds)
    chosen = any(setting.has_validation for setting in settings)
    rounds = "best pruned" if chosen else "last"
    sentence = (
        f"In the {rounds} rounds of {plural(total, 'setting')}, {enumerate_words(counts)}."
        if enough
        else f"{ENOUGH_SEEDS} seeds are needed to say whether a network matches its dense one; "
        "no setting has so many yet."
    )
    return Headline(
        sentence,
        (
            Tile("settings that prune", str(total), f"{enough} with {ENOUGH_SEEDS} seeds or more"),
            Tile("match or beat dense", f"{good} of {enough}", "each is judged by itself"),
            Tile("winning tickets", str(winning), "they match dense and beat random reinit"),
            Tile("seeds", str(low) if low == high else f"{low} to {high}", "of a setting"),
        ),
    )
