"""`lottery.run`: the command from Python."""

from hydra import compose, initialize_config_dir

from lottery.api.load import Run, load_run
from lottery.api.session import execute, opened
from lottery.build import prepare
from lottery.build.hydra_setup import choices_of, conf_dir, register_resolvers
from lottery.build.identity import plain, run_path


def run(*overrides: str) -> Run:
    """Do one run, or carry it on, or find it finished: what `lottery OVERRIDES...` does.

    Args:
        overrides: as on the command line, such as "dataset=mnist", "rounds=3".

    Returns:
        The run, as `load_run` gives it.

    Raises:
        ConfigError: a mistake in the config.
    """
    register_resolvers()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        composed = compose("config", overrides=list(overrides), return_hydra_config=True)
    config = plain(composed)
    path = run_path(config, choices_of(composed))
    experiment = prepare(config, path)
    with opened(experiment, wait=False):
        if experiment.imp.todo:
            execute(experiment)
    return load_run(path)
