"""Where `conf/` is, for code that knows no Hydra, too."""

from pathlib import Path


def conf_dir() -> Path:
    """Return the config folder: inside an installed package, else the checkout's."""
    package = Path(__file__).resolve().parent
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent / "conf"
