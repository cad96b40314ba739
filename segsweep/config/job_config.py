"""From a composed Hydra configuration to a checked :class:`JobConfig`, and back to flat parameters."""

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from segsweep.config.checks import check
from segsweep.config.registration import SECTIONS, field_names, schema_of
from segsweep.config.schema import JobConfig
from segsweep.config.training_schema import INTERNAL
from segsweep.config.yaml_words import remedy_of, require_text
from segsweep.errors import ConfigError

_CREDENTIALS = re.compile(r"://[^/@\s]+@")
_NOT_SETTINGS = {"hydra", "experiment"}


def to_job_config(composed: DictConfig, checked: Mapping[str, Any] | None = None) -> JobConfig:
    """The checked settings of one job.

    Args:
        composed: sections and seed.
        checked: sections that were checked before, by name; `composed` need not have them.

    Raises:
        ConfigError: a setting is unknown, missing, of the wrong type or out of range.
    """
    known = {*SECTIONS, "seed"}
    for key in map(str, composed):
        if key not in known | _NOT_SETTINGS:
            raise ConfigError(f"unknown setting {key}{_suggestion(key, known)}")
    sections = {name: section for name, section in (checked or {}).items() if name not in composed}
    sections |= {section: to_section(section, composed) for section in SECTIONS if section not in sections}
    seed = composed.get("seed", 0)
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise ConfigError(f"seed={seed} is not a whole number; give an integer from 0")
    config = JobConfig(seed=seed, **sections)
    check(parameters(config))
    return config


def parameters(config: JobConfig) -> dict[str, Any]:
    """Every setting under its override name: `{"model.width": 8, ...}`."""
    leaves: dict[str, Any] = {}
    for each in fields(config):
        value = getattr(config, each.name)
        leaves.update(_leaves(each.name, value) if is_dataclass(value) else {each.name: value})
    leaves["tracking.uri"] = mask_credentials(leaves["tracking.uri"])
    return leaves


def mask_credentials(text: str) -> str:
    """A text, such as a URI, without the user and password in any address."""
    return _CREDENTIALS.sub("://***@", text)


def to_yaml(config: JobConfig) -> str:
    """The settings as YAML that a person can read, and that `--config-dir` accepts section by section."""
    settings = OmegaConf.create({})
    for name, value in parameters(config).items():
        OmegaConf.update(settings, name, value)
    return OmegaConf.to_yaml(settings)


def to_section(section: str, composed: DictConfig) -> Any:
    """The settings of one section, of the right types; their ranges are not checked yet.

    Raises:
        ConfigError: a setting is unknown, missing or of the wrong type.
    """
    given = composed.get(section)
    if not isinstance(given, DictConfig):
        raise ConfigError(f"{section} has no settings; choose one of {', '.join(sorted(SECTIONS[section]))}")
    name = None if OmegaConf.is_missing(given, "name") else given.get("name")
    schema = schema_of(section, name)
    if schema is None:
        raise ConfigError(f"{section}.name={name} is not a choice; it must be one of {', '.join(SECTIONS[section])}")
    content = OmegaConf.to_container(given, resolve=True)
    assert isinstance(content, dict)
    require_text(section, content, schema, typed=is_dataclass(OmegaConf.get_type(given)))
    return _checked_section(section, name or "", json.dumps(content))


@lru_cache(maxsize=512)
def _checked_section(section: str, name: str, given: str) -> Any:
    """A section from JSON; points of a sweep share the sections that do not vary."""
    schema = schema_of(section, name)
    assert schema is not None
    content = json.loads(given)
    _reject_strays(section, content, schema)
    try:
        settings = OmegaConf.merge(OmegaConf.structured(schema), content)
        missing = sorted(OmegaConf.missing_keys(settings))
        if missing:
            raise ConfigError(f"{section}.{missing[0]} is not set; give it as {section}.{missing[0]}=...")
        return OmegaConf.to_object(settings)
    except OmegaConfBaseException as error:
        what = str(error).splitlines()[0]
        remedy = remedy_of(what)
        raise ConfigError(f"{section}.{error.full_key or ''}: {what}{f'; {remedy}' if remedy else ''}") from error


def _reject_strays(path: str, given: Mapping[str, Any], schema: type[Any]) -> None:
    known = field_names(schema)
    defaults = OmegaConf.structured(schema)
    for name, value in given.items():
        if name not in known:
            raise ConfigError(f"unknown setting {path}.{name}{_suggestion(name, known, path + '.')}")
        nested = OmegaConf.get_type(defaults, name)
        if is_dataclass(nested) and isinstance(value, dict):
            _reject_strays(f"{path}.{name}", value, nested)


def _suggestion(name: str, known: set[str], prefix: str = "") -> str:
    close = difflib.get_close_matches(name, known, 1)
    if close:
        return f"; did you mean {prefix}{close[0]}?"
    return f"; known here: {', '.join(sorted(known))}"


def _leaves(path: str, value: Any) -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for each in fields(value):
        if each.metadata == INTERNAL:
            continue
        inner = getattr(value, each.name)
        name = f"{path}.{each.name}"
        leaves.update(_leaves(name, inner) if is_dataclass(inner) else {name: inner})
    return leaves
