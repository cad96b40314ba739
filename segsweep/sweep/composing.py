"""The settings of many points of a sweep, composed fast.

Hydra takes some 60 ms to compose one configuration. Most points differ from others in values alone, so each set of
group choices is composed once, and values are then put into a copy by Hydra's own function.
"""

import copy
from collections.abc import Sequence

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.types import HydraContext
from omegaconf import DictConfig, open_dict

from segsweep.config.job_config import to_job_config
from segsweep.config.schema import JobConfig


class Composer:
    """Composes the points of one sweep; the results equal what Hydra gives each job."""

    def __init__(self, config: DictConfig, context: HydraContext):
        """`config` is the sweep's own configuration, which holds what all points share."""
        self._config = config
        self._loader = context.config_loader
        self._parser = OverridesParser.create(config_loader=context.config_loader)
        self._is_group: dict[str, bool] = {}
        self._bases: dict[tuple[str, ...], DictConfig] = {}

    def compose(self, overrides: Sequence[str]) -> JobConfig:
        """The checked settings of one point."""
        parsed = self._parser.parse_overrides(list(overrides))
        groups = tuple(str(each.input_line) for each in parsed if self._chooses_group(each))
        composed = copy.deepcopy(self._base(groups))
        values = [each for each in parsed if not self._chooses_group(each)]
        # What is about Hydra itself has no part in a job's settings.
        values = [each for each in values if not each.key_or_group.startswith("hydra.")]
        ConfigLoaderImpl._apply_overrides_to_config(values, composed)
        return to_job_config(composed)

    def _base(self, groups: tuple[str, ...]) -> DictConfig:
        if groups not in self._bases:
            base = self._loader.load_sweep_config(self._config, list(groups))
            with open_dict(base):
                base.pop("hydra", None)
            self._bases[groups] = base
        return self._bases[groups]

    def _chooses_group(self, override: Override) -> bool:
        key = override.key_or_group
        if key not in self._is_group:
            self._is_group[key] = "." not in key and bool(self._loader.get_group_options(key))
        return self._is_group[key]
