"""Settings from overrides, outside of a run: for verbs that take `data=...` as `run` does."""

from collections.abc import Sequence

from segsweep.config.schema import JobConfig


def composed_settings(overrides: Sequence[str]) -> JobConfig:
    """The checked settings of the job that `segsweep run` would do with these overrides.

    Raises:
        ConfigError: one is unknown, of the wrong type or out of range.
    """
    from hydra import compose, initialize_config_module
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from hydra_plugins.segsweep_sweeper.segsweep_sweeper import register
    from segsweep.config.job_config import to_job_config
    from segsweep.hydra_run import as_config_error, hydra_arguments, readable

    register()
    words = [readable(word) for word in hydra_arguments(overrides)]
    try:
        with initialize_config_module(config_module="segsweep.conf", version_base="1.3"):
            return to_job_config(compose("config", overrides=words))
    except (HydraException, OmegaConfBaseException) as error:
        raise as_config_error(error) from error
