"""The benchmark works: whether what it says is good is for a quiet machine."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_it_measures_every_part(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    command = [sys.executable, ROOT / "scripts" / "benchmark.py", "--quick", "--json", file]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads(file.read_text())["results"]
    assert list(results) == ["rounds", "steps", "pruning", "between", "startup"]
    (row,) = results["rounds"]
    assert row["equal weights"] is True
    assert row["ratio"] > 0
    assert all(line["s"] > 0 for line in results["startup"])
    assert str(round(row["ratio"], 2))[:3] in done.stdout


def test_an_unknown_part_is_named() -> None:
    command = [sys.executable, ROOT / "scripts" / "benchmark.py", "nothing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "nothing: one of rounds, steps, pruning, between, startup" in done.stderr
