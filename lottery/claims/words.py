"""Verdicts in words: lines for a terminal, and the contents of a page."""

from collections import Counter
from collections.abc import Sequence

from lottery.claims.figure import effects_figure
from lottery.claims.judge import CANNOT_SAY, FAILS, HOLDS, Finding, Verdict
from lottery.report.contents import Contents
from lottery.report.read.labels import capital
from lottery.report.words.summary_text import Answer
from lottery.report.words.table import NONE, Table

TITLE = "Published claims, judged by our runs"
RULES = (
    "A claim holds if all its rules hold, and does not hold if one of them is shown to fail. "
    "Otherwise the answer is: cannot say.",
    "A rule holds if the whole 95 % confidence interval (Student's t over the seeds, paired by "
    "seed) is on the right side of its bound, and fails if the whole interval is on the wrong "
    "side. That one of several rules fails also needs a p-value below 5 % after Holm's correction "
    "over the rules of the claim. Different claims are not corrected for each other.",
    "A bound below 0, as above -0.2 points, is a test of non-inferiority: at least as good within "
    "this margin.",
    "The claim names its seeds, rounds and sparsities beforehand. Fewer seeds are no verdict, and "
    "no data choose a round. Draws of a control count as their mean for each seed.",
    "ES is the step with the lowest validation loss; test accuracy is that at ES, if nothing else "
    "is said. ES is pooled over the round and its two neighbours, as far as both networks have "
    "them; its ratio is a geometric mean over the seeds.",
    "Full scale is the protocol of the source, as far as lottery has it. Small scale is a short "
    "training on two CPU cores: its verdict is about the direction, in this setting only, and its "
    "bounds are its own.",
)


def verdict_lines(verdict: Verdict) -> str:
    """Write a verdict for a terminal."""
    lines = [f"{_heading(verdict)}", f"    {verdict.claim.statement}"]
    if verdict.claim.published:
        lines.append(f"    published: {verdict.claim.published}")
    lines += [f"    {_finding_words(finding)}" for finding in verdict.findings]
    if verdict.reason:
        lines.append(f"    {verdict.reason}")
    return "\n".join(lines)


def make_contents(verdicts: Sequence[Verdict]) -> Contents:
    """Make the page of some verdicts, those of claims with runs first."""
    ordered = sorted(verdicts, key=lambda one: not _is_measured(one))
    counts = Counter(one.verdict for one in verdicts)
    words = ", ".join(f"{word}: {counts[word]}" for word in (HOLDS, FAILS, CANNOT_SAY))
    notes = [f"{len(verdicts)} verdicts. {words}."]
    if any(one.scale == "small" for one in verdicts):
        notes.append(RULES[-1])
    findings = [finding for one in ordered for finding in one.findings]
    figure = effects_figure(findings)
    return Contents(
        title=TITLE,
        notes=tuple(notes),
        answers=tuple(Answer(_heading(one), tuple(_sentences(one))) for one in ordered),
        rules=RULES,
        checks=(),
        figures=(figure,) if figure else (),
        tables=(_overview(ordered), _rules_table(ordered)),
    )


def _is_measured(verdict: Verdict) -> bool:
    return any(finding.summary for finding in verdict.findings)


def _heading(verdict: Verdict) -> str:
    scale = f" ({verdict.scale} scale, {verdict.seeds} seeds)" if verdict.findings else ""
    return f"{verdict.claim.id}{scale}: {verdict.verdict}"


def _sentences(verdict: Verdict) -> list[str]:
    claim = verdict.claim
    found = [f"{claim.statement}.", f"Source: {claim.source.words}."]
    if claim.published:
        found.append(f"Published: {claim.published}.")
    found += [f"{capital(_finding_words(finding))}." for finding in verdict.findings]
    if verdict.reason:
        found.append(f"{capital(verdict.reason)}.")
    if claim.ours:
        found.append(f"Ours: {claim.ours}")
    if verdict.findings and (seen := claim.scales[verdict.scale].seen):
        found.append(seen)
    return found


def _finding_words(finding: Finding) -> str:
    if finding.summary is None:
        return f"{finding.words}; not measured"
    return f"{finding.words}; found {finding.effect}: {finding.answer}"


def _overview(verdicts: Sequence[Verdict]) -> Table:
    rows = tuple(
        {
            "claim": one.claim.id,
            "statement": one.claim.statement,
            "scale": one.scale or NONE,
            "seeds": str(one.seeds) if one.findings else NONE,
            "verdict": one.verdict,
        }
        for one in verdicts
    )
    return Table("Verdicts", rows)


def _rules_table(verdicts: Sequence[Verdict]) -> Table:
    pairs = [(one, finding) for one in verdicts for finding in one.findings]
    rows = tuple(
        {
            "no.": str(number),
            "claim": one.claim.id,
            "scale": one.scale,
            "rule": finding.words,
            "found": finding.effect,
            "the rule": finding.answer if finding.summary else "not measured",
            "published, of the claim": one.claim.published or NONE,
        }
        for number, (one, finding) in enumerate(pairs, start=1)
    )
    return Table("Rules", rows, "Means over the seeds, with 95 % confidence intervals.")
