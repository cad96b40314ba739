"""Words that YAML reads as something else than text: `no` is a boolean, `~` is nothing, and # begins a comment.

YAML 1.1 (https://yaml.org/type/bool.html), which PyYAML and so Hydra follow, reads `yes`, `no`, `on` and `off` as
booleans.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from segsweep.errors import ConfigError

_WORDS = {True: ("yes, on and true", "yes"), False: ("no, off and false", "no")}
"""What YAML reads as a boolean, and an example."""
_TEXTS = {str(value): value for value in _WORDS}
"""What typed settings make of booleans where a text is needed."""
_COLOUR = "# begins a comment in YAML; put colours in quotes, such as '#3C1098'"
_LIST = "it must be a list, such as [ground, roof]"
_EMPTY = "YAML reads null, ~ and nothing as no value; put text in quotes, such as 'null'"
_REMEDIES = (
    (re.compile(r"Key (?:True|False) \(bool\) is incompatible"), "YAML reads yes, no, on and off as booleans; put them "
     "in quotes, such as 'no'"),
    (re.compile(r"palette.*is not Optional"), _COLOUR),
    (re.compile(r"while parsing a flow"), "a # without quotes begins a comment in YAML; put colours in quotes"),
    (re.compile(r"NoneType is not a subclass of str|is not Optional"), _EMPTY),
    (re.compile(r"is not a ListConfig|incompatible with type hint 'typing\.List"), _LIST),
)  # fmt: skip
"""From what OmegaConf and PyYAML say to what would be right."""


def remedy_of(complaint: str) -> str:
    """What would be right instead of what OmegaConf or PyYAML complain of; empty where that is not known."""
    return next((remedy for pattern, remedy in _REMEDIES if pattern.search(complaint)), "")


def require_text(path: str, content: Mapping[Any, Any], schema: type[Any], *, typed: bool) -> None:
    """Refuse what YAML read as something else where a text, or a list of texts, is needed.

    Args:
        path: of the settings, such as `data`.
        content: the settings as YAML gave them.
        schema: their dataclass.
        typed: whether they were converted to the schema's types before, which makes `False` of `no`.

    Raises:
        ConfigError: naming the setting and what to write.
    """
    hints = get_type_hints(schema)
    for name, value in content.items():
        if name in hints:
            _check(f"{path}.{name}", value, _without_none(hints[name]), typed)


def _check(path: str, value: Any, hint: Any, typed: bool) -> None:
    kind = get_origin(hint)
    if is_dataclass(hint) and isinstance(value, Mapping):
        require_text(path, value, hint, typed=typed)  # type: ignore[arg-type]
    elif kind is list and get_args(hint) == (str,):
        if isinstance(value, str):
            words = ", ".join(part.strip() for part in value.split(","))
            raise ConfigError(f"{path}={value} is a text; it must be a list: [{words}]")
        _check_texts(path, iter(value) if isinstance(value, list) else iter(()), typed)
    elif kind is dict and isinstance(value, Mapping):
        _check_texts(path, iter(value), typed)
        for key, inner in value.items():
            _check(f"{path}.{key}", inner, get_args(hint)[1], typed)
    elif hint is str and (value is None or isinstance(value, bool)) and path.startswith("data.palette."):
        raise ConfigError(f"{path} is {'empty' if value is None else value}: {_COLOUR}")


def _check_texts(path: str, texts: Iterator[Any], typed: bool) -> None:
    for text in texts:
        if text is None:
            raise ConfigError(f"{path}: {_EMPTY}")
        value = _TEXTS.get(text) if typed and isinstance(text, str) else text
        if isinstance(value, bool):
            words, example = _WORDS[value]
            also = f", and call nothing {value}" if typed else ""
            raise ConfigError(
                f"{path}: YAML reads {words} without quotes as {value}; put names in quotes, such as '{example}'{also}"
            )


def _without_none(hint: Any) -> Any:
    """The type of a setting that may be null."""
    if get_origin(hint) in (Union, UnionType):
        others = [each for each in get_args(hint) if each is not type(None)]
        return others[0] if len(others) == 1 else hint
    return hint
