"""Metrics of other programs' models, read from a JSON file, to compare with a run's forests."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lottery.errors import ConfigError

# Our names, and the names that other programs use
NAMES = {
    "test": ("accuracy", "test_accuracy", "test"),
    "f1": ("f1_score", "f1", "test_f1"),
    "precision": ("precision",),
    "recall": ("recall",),
    "flops": ("estimated_flops", "flops"),
}
ACCEPTED = (
    'a JSON list of objects such as {"model_name": "hybrid_rf_block3_conv3", "accuracy": 0.9, '
    '"f1_score": 0.9, "flops": 6.1e9}, or one of them; only the accuracy, a fraction, is needed'
)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return a file's models: `name`, `file`, `test`, `f1`, `precision`, `recall`, `flops`."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"--compare {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"--compare {path}: not JSON ({error}); {ACCEPTED}") from error
    models = content if isinstance(content, list) else [content]
    if not models:
        raise ConfigError(f"--compare {path}: empty; {ACCEPTED}")
    return [_read_model(path, model) for model in models]


def _read_model(path: Path, model: Any) -> dict[str, Any]:
    if not isinstance(model, Mapping):
        raise ConfigError(f"--compare {path}: {json.dumps(model)[:40]} in it; {ACCEPTED}")
    metrics = {
        ours: next((model[name] for name in names if name in model), None)
        for ours, names in NAMES.items()
    }
    name = str(model.get("model_name", path.stem))
    for ours, value in metrics.items():
        if not _is_good(ours, value):
            what = "accuracy" if ours == "test" else ours
            raise ConfigError(f"--compare {path}: {what} of {name} is {value}; {ACCEPTED}")
    return {"name": name, "file": str(path), **metrics}


def _is_good(name: str, value: Any) -> bool:
    if value is None:
        return name != "test"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if name == "flops":  # the figure has a logarithmic axis
        return bool(0 < value <= sys.float_info.max)
    return bool(0 <= value <= 1)
