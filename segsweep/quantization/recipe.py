"""What each layer of a file of mixed precision is computed in: a value that can be saved, read and repeated."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from segsweep.errors import ConfigError
from segsweep.quantization.choices import ALGORITHMS, CHOICES, PLAIN, Choice

FORMAT = 1
_HEADER = """\
# What each layer is computed in: a choice, and where it is not min_max, the algorithm for the weights.
# To repeat it: quantization=mixed quantization.recipe=THIS_FILE
"""


@dataclass(frozen=True, order=True)
class LayerChoice:
    """What one layer is computed in."""

    choice: str
    """One of `CHOICES`."""
    algorithm: str = PLAIN
    """One of `ALGORITHMS`."""

    @property
    def what(self) -> Choice:
        """The choice itself."""
        return CHOICES[self.choice]

    def __str__(self) -> str:
        return self.choice if self.algorithm == PLAIN else f"{self.choice} {self.algorithm}"


@dataclass(frozen=True)
class Recipe:
    """Choices for the layers of a float file."""

    layers: Mapping[str, LayerChoice] = field(default_factory=dict)
    """By the layer's name, as `segsweep.quantization.layers` gives it."""
    default: LayerChoice = LayerChoice("float32")
    """Of a layer that is not named."""

    def of(self, name: str) -> LayerChoice:
        """The choice of a layer."""
        return self.layers.get(name, self.default)

    @property
    def calibrated(self) -> bool:
        """Whether it may need the ranges of activations."""
        return any(each.what.calibrated for each in (self.default, *self.layers.values()))

    @property
    def plain(self) -> "Recipe":
        """The same choices, with nothing clipped."""
        return Recipe(
            {name: LayerChoice(choice.choice) for name, choice in self.layers.items()}, LayerChoice(self.default.choice)
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON and keys: equal recipes give equal content."""
        named = {name: str(choice) for name, choice in sorted(self.layers.items())}
        return {"format": FORMAT, "default": str(self.default), "layers": named}

    def to_yaml(self) -> str:
        """The text that :func:`parse_recipe` reads; layers stand as they are ordered here."""
        named = {name: str(choice) for name, choice in self.layers.items()}
        content = {"format": FORMAT, "default": str(self.default), "layers": named}
        return _HEADER + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)


def read_recipe(path: str | Path) -> Recipe:
    """The recipe in a YAML or JSON file.

    Raises:
        ConfigError: it cannot be read, or is no recipe.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(
            f"quantization.recipe={path}: cannot be read ({reason}); give a file as segsweep search --output writes it"
        ) from error
    return parse_recipe(text, f"quantization.recipe={path}")


def parse_recipe(text: str, where: str) -> Recipe:
    """The recipe in a text of YAML or JSON; `where` begins the message of the ConfigError for anything else."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: is no YAML ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict) or not {"default", "layers"} & content.keys():
        raise ConfigError(f"{where}: is no recipe; it needs `default: CHOICE`, or `layers:` with `NAME: CHOICE` lines")
    strays = sorted(map(str, content.keys() - {"format", "default", "layers"}))
    if strays:
        raise ConfigError(f"{where}: {strays[0]} is not known there; there are format, default and layers")
    if content.get("format", FORMAT) != FORMAT:
        raise ConfigError(f"{where}: has format {content['format']}, this segsweep reads format {FORMAT}")
    named = content.get("layers") or {}
    if not isinstance(named, dict):
        raise ConfigError(f"{where}: layers must be lines of `NAME: CHOICE`")
    return Recipe(
        layers={str(name): _choice(value, f"{where}: layer {name}") for name, value in named.items()},
        default=_choice(content.get("default", "float32"), f"{where}: default"),
    )


def _choice(value: Any, where: str) -> LayerChoice:
    words = value.split() if isinstance(value, str) else []
    if not 1 <= len(words) <= 2 or words[0] not in CHOICES:
        raise ConfigError(f"{where}: {value} is not a choice; there are {', '.join(CHOICES)}")
    algorithm = words[1] if len(words) == 2 else PLAIN
    if algorithm not in ALGORITHMS:
        raise ConfigError(f"{where}: {algorithm} is not an algorithm; there are {', '.join(ALGORITHMS)}")
    return LayerChoice(words[0], algorithm)
