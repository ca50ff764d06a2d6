"""The links that make a run a chain: a record names its run, the record before it, its files."""

import json
from collections.abc import Mapping

from lottery.record.files import DamagedFile, damaged, json_digest
from lottery.record.run_dir import RunDir
from lottery.record.schema import Before, Links, Record, RunJson


def make_links(run: RunJson | None, before: Record | None, files: Mapping[str, str]) -> Links:
    """Return the links of a round's record.

    Args:
        run: the content of run.json; None for rounds in a folder without it.
        before: the record of the round before; None for the first.
        files: digests of the round's tensors by file name.
    """
    link: Before | None = None
    if before:
        link = {"round": before["row"]["round"], "digest": digest_of_record(before)}
    return {
        "run": digest_of_run(run) if run else None,
        "digests": dict(run["digests"]) if run else {},
        "before": link,
        "files": dict(files),
    }


def check_run(
    folder: RunDir, record: Record, run_digest: str, run_digests: Mapping[str, str]
) -> None:
    """Check that a record is of the run whose run.json has this digest, and these in it."""
    links, number = record.get("links"), record["row"]["round"]
    if links is None:
        return
    differing = [
        f"other content of {name}"
        for name, digest in links["digests"].items()
        if run_digests.get(name, digest) != digest
    ]
    if links["run"] != run_digest:
        differing.append("other settings or another seed")
    if differing:
        path = folder.round(number).path
        raise damaged(
            folder.round(number).record,
            f"it is of another run than {folder.run_json}, with {differing[0]}",
            f"put back what was exchanged, or remove {path} to do that round again",
        )


def check_chain(folder: RunDir, records: Mapping[int, Record]) -> None:
    """Check that every record goes on from the record before it, as that one is now.

    All rounds are linked or none is: a version that links files links those of earlier rounds
    first, in `links.json` of their folders.
    """
    linked_by_itself = any(
        "links" in record and not folder.round(number).links_json.exists()
        for number, record in records.items()
    )
    for number, record in records.items():
        links = record.get("links")
        if links is None and linked_by_itself:
            raise damaged(
                folder.round(number).record,
                "links is missing, which other rounds have",
                f"remove {folder.round(number).path} to do that round again",
            )
        link = links["before"] if links else None
        before = records.get(link["round"]) if link else None
        if link and before and link["digest"] != digest_of_record(before):
            earlier = folder.round(link["round"]).record
            raise DamagedFile(
                f"{earlier}: not the record that {folder.round(number).record} goes on from; "
                "one was changed or exchanged: remove both to do both rounds again"
            )


def digest_of_run(run: RunJson) -> str:
    """Return the digest of what a run's first start fixes; 1 and 1.0 are one number."""
    fixed = json.dumps({"config": run["config"], "seed": str(run["seed"])})
    return json_digest(json.loads(fixed, parse_int=float))


def digest_of_record(record: Record) -> str:
    """Return the digest of what a round done again must give again: all but times and place."""
    of_machine = ("timing", "trained")
    return json_digest({name: v for name, v in record.items() if name not in of_machine})
