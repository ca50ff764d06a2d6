"""The command `lottery-data`: fetch a dataset, or list a folder of images, before a run does."""

import argparse
import logging
import os
import sys
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from lottery.cli.common import check_surroundings, command_line, errors_end_the_command
from lottery.cli.parser import Parser
from lottery.config.hydra_setup import conf_dir
from lottery.config.instantiate import make

EXAMPLES = (
    ("lottery-data download mnist", "into dataset.root"),
    ("lottery-data download cifar10 --root ~/data", "into another folder"),
    ("lottery-data prepare pets", "write pets/metadata.csv for a folder of images"),
)


def main() -> None:
    """Run the command."""
    check_surroundings(needs_torch=False)
    arguments = make_parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with errors_end_the_command(command_line("lottery-data")):
        print(arguments.work(arguments))


def _download(arguments: argparse.Namespace) -> str:
    node = {str(key): value for key, value in _config(f"dataset/{arguments.name}.yaml").items()}
    node["base_url"] = arguments.base_url or node["base_url"]
    dataset = make(node, "dataset", root=arguments.root, split_seed=0, download=True)
    splits = dataset.load()
    counts = f"{len(splits.train)} train, {len(splits.val)} validation, {len(splits.test)} test"
    return f"{dataset.folder}: {counts}"


def _prepare(arguments: argparse.Namespace) -> str:
    from lottery.data.image_list import LIST  # torch: a second, which --help need not wait for
    from lottery.data.prepare import make_list

    listed = make_list(arguments.folder, overwrite=arguments.force)
    for line in listed.complaints:
        print(line, file=sys.stderr)
    return f"{arguments.folder / LIST}: {listed}"


def make_parser() -> Parser:
    """Make the parser of the command's options."""
    config = _config("config.yaml")
    parser = Parser(prog="lottery-data", description=__doc__, examples=EXAMPLES)
    commands = parser.add_subparsers(required=True)
    download = commands.add_parser("download", help="fetch the files that are missing, and check")
    download.set_defaults(work=_download)
    names = sorted(path.stem for path in (conf_dir() / "dataset").glob("*.yaml"))
    with_url = [name for name in names if "base_url" in _config(f"dataset/{name}.yaml")]
    download.add_argument("name", choices=with_url)
    root, as_root = config["dataset"]["root"], "as dataset.root (default: %(default)s)"
    download.add_argument("--root", type=os.path.expanduser, default=root, help=as_root)
    download.add_argument("--base-url", help="as dataset.base_url: where the files are")
    prepare = commands.add_parser(
        "prepare",
        help="write the metadata.csv of a folder of images",
        description="The class of an image is the folder that it is in, or else the word before "
        "the number in its name: cat/1.jpg, cat.1.jpg. Folders train, val and test are the "
        "splits.",
    )
    prepare.set_defaults(work=_prepare)
    prepare.add_argument("folder", type=Path)
    prepare.add_argument("--force", action="store_true", help="replace a metadata.csv")
    return parser


def _config(name: str) -> DictConfig:
    config = OmegaConf.load(conf_dir() / name)
    assert isinstance(config, DictConfig)
    return config
