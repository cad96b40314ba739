"""The settings of many points of a sweep, composed fast.

Hydra takes some 60 ms to compose one configuration. Most points differ from others in values alone, so each set of
group choices is composed once, and values are then put into a copy of the sections that they touch by Hydra's own
function.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict

from segsweep.config.job_config import to_job_config, to_section
from segsweep.config.registration import SECTIONS
from segsweep.config.schema import JobConfig
from segsweep.errors import ConfigError

_REFERENCE = re.compile(r"\$\{[^:}]*\}")
"""From one setting to another; what has a colon asks a resolver, as for an environment variable."""


@dataclass(frozen=True)
class _Base:
    """What points with the same group choices share."""

    composed: DictConfig
    sections: Mapping[str, Any]
    """The sections as they are where no value touches them; empty where one may refer to another."""


class Composer:
    """Composes the points of one sweep; the results equal what Hydra gives each job."""

    def __init__(self, config: DictConfig, context: HydraContext):
        """`config` is the sweep's own configuration, which holds what all points share."""
        self._config = config
        self._loader = context.config_loader
        self._parser = OverridesParser.create(config_loader=context.config_loader)
        self._is_group: dict[str, bool] = {}
        self._bases: dict[tuple[str, ...], _Base] = {}
        self._parsed: dict[str, Override] = {}
        self._sections_made: dict[tuple[tuple[str, ...], str, tuple[str, ...]], Any] = {}

    def compose(self, overrides: Sequence[str]) -> JobConfig:
        """The checked settings of one point."""
        parsed = [self._parse(word) for word in overrides]
        groups = tuple(str(each.input_line) for each in parsed if self._chooses_group(each))
        base = self._base(groups)
        values = [each for each in parsed if not self._chooses_group(each)]
        # What is about Hydra itself has no part in a job's settings.
        values = [each for each in values if not each.key_or_group.startswith("hydra.")]
        if not base.sections or any("${" in str(each.input_line) for each in values):
            return to_job_config(self._changed(base, list(map(str, base.composed)), values))
        by_section: dict[str, list[Override]] = {}
        for each in values:
            by_section.setdefault(each.key_or_group.partition(".")[0], []).append(each)
        sections = dict(base.sections)
        for name in by_section.keys() & SECTIONS.keys():
            key = (groups, name, tuple(str(each.input_line) for each in by_section[name]))
            if key not in self._sections_made:
                self._sections_made[key] = to_section(name, self._changed(base, [name], by_section[name]))
            sections[name] = self._sections_made[key]
        rest = [each for name, found in by_section.items() if name not in SECTIONS for each in found]
        return to_job_config(self._changed(base, ["seed"], rest), sections)

    @staticmethod
    def _changed(base: _Base, parts: Sequence[str], values: list[Override]) -> DictConfig:
        """A copy of these parts of the base, with values put in."""
        changed = OmegaConf.create({name: base.composed._get_node(name) for name in parts if name in base.composed})
        ConfigLoaderImpl._apply_overrides_to_config(values, changed)
        return changed

    def _parse(self, word: str) -> Override:
        if word not in self._parsed:
            self._parsed[word] = self._parser.parse_override(word)
        return self._parsed[word]

    def _base(self, groups: tuple[str, ...]) -> _Base:
        if groups not in self._bases:
            composed = self._loader.load_sweep_config(self._config, list(groups))
            with open_dict(composed):
                composed.pop("hydra", None)
            self._bases[groups] = _Base(composed, self._sections(composed))
        return self._bases[groups]

    def _sections(self, composed: DictConfig) -> dict[str, Any]:
        if _REFERENCE.search(OmegaConf.to_yaml(composed)):
            return {}
        try:
            checked = to_job_config(composed)
        except ConfigError:
            # Perhaps a value is missing that the points give.
            return {}
        return {section: getattr(checked, section) for section in SECTIONS}

    def _chooses_group(self, override: Override) -> bool:
        key = override.key_or_group
        if key not in self._is_group:
            self._is_group[key] = "." not in key and bool(self._loader.get_group_options(key))
        return self._is_group[key]
