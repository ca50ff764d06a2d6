"""How far two runs are apart."""

from pathlib import Path

from safetensors.torch import load_file


def furthest(run: Path, other: Path) -> float:
    """Return the largest difference of any number in the runs' tensor files, of equal names."""
    differences = [
        float((tensor.double() - there[name].double()).abs().nan_to_num().max())
        for file in sorted(run.glob("rounds/*/*.safetensors"))
        for there in [load_file(other / file.relative_to(run))]
        for name, tensor in load_file(file).items()
    ]
    assert len(differences) > 3
    return max(differences)
