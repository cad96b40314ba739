"""Devices that a file may be for: how much memory they have, and what they cannot run."""

from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from segsweep.errors import SegsweepError

OPTION = "--device"
RUNTIMES = ("micro", "litert")
_SUFFIXES = (".yaml", ".yml")
_KIB = 1024


@dataclass(frozen=True)
class Device:
    """A board or a chip, as its profile states it."""

    title: str
    """What people call it."""
    chip: str
    flash_kib: float
    """All of the memory in which a program and a file lie, in KiB."""
    ram_kib: float
    """The largest piece of memory in which an arena can lie, in KiB."""
    source: str
    """Where the numbers stand."""
    note: str = ""
    """What else one should know, a sentence or two."""
    runtime: str = "micro"
    """What runs the file: `micro`, TensorFlow Lite Micro, whose limits then count, or `litert`."""
    missing_operators: tuple[str, ...] = ()
    """Builtin names of operators that this device's build lacks beyond what its runtime lacks."""

    @property
    def flash_bytes(self) -> float:
        """The same in bytes."""
        return self.flash_kib * _KIB

    @property
    def ram_bytes(self) -> float:
        """The same in bytes."""
        return self.ram_kib * _KIB


def known_devices() -> list[str]:
    """The names of the devices whose profiles come with segsweep."""
    return sorted(each.name.removesuffix(".yaml") for each in _folder().iterdir() if each.name.endswith(".yaml"))


def load_device(name: str) -> Device:
    """A device by its name, or from a profile of one's own by its path, which ends in `.yaml`.

    Raises:
        SegsweepError: there is no such device or file, or the profile is wrong.
    """
    if name.endswith(_SUFFIXES):
        try:
            text = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is no text"
            raise SegsweepError(f"{OPTION} {name}: cannot be read ({why}); give the path of a profile") from error
    elif name in known_devices():
        text = (_folder() / f"{name}.yaml").read_text(encoding="utf-8")
    else:
        raise SegsweepError(
            f"{OPTION} {name}: no such device; there are {', '.join(known_devices())}, and a profile of your own by "
            "its path, which ends in .yaml"
        )
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        where = f" in line {place.line + 1}" if place is not None else ""
        raise SegsweepError(f"{OPTION} {name}: is no YAML{where}; write KEY: VALUE lines") from error
    return _device(name, values)


def _folder() -> Any:
    return files("segsweep.devices") / "profiles"


def _device(name: str, values: Any) -> Device:
    known = {each.name for each in fields(Device)}
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise SegsweepError(f"{OPTION} {name}: is no profile; its keys are {', '.join(_ordered())}")
    for key in values.keys() - known:
        raise SegsweepError(f"{OPTION} {name}: {key} is no key of a profile; there are {', '.join(_ordered())}")
    for key in ("title", "flash_kib", "ram_kib"):
        if key not in values:
            raise SegsweepError(f"{OPTION} {name}: {key} is missing; it must say title, flash_kib and ram_kib")
    for key in ("flash_kib", "ram_kib"):
        value = values[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
            raise SegsweepError(f"{OPTION} {name}: {key}: {value} is not a number of KiB above 0, such as 256")
    for key in ("title", "chip", "source", "note", "runtime"):
        value = values.get(key, "")
        if not isinstance(value, str):
            raise SegsweepError(f"{OPTION} {name}: {key}: {value} is no text; put it in quotes")
    if values.get("runtime", RUNTIMES[0]) not in RUNTIMES:
        raise SegsweepError(
            f"{OPTION} {name}: runtime: {values['runtime']} is unknown; there are {', '.join(RUNTIMES)}"
        )
    missing = values.get("missing_operators", [])
    if not isinstance(missing, list) or not all(isinstance(each, str) for each in missing):
        raise SegsweepError(
            f"{OPTION} {name}: missing_operators: {missing} is no list of names, such as [TRANSPOSE_CONV]"
        )
    texts = {key: " ".join(value.split()) for key, value in values.items() if isinstance(value, str)}
    return Device(**{"chip": "", "source": "", **values, **texts, "missing_operators": tuple(missing)})


def _ordered() -> list[str]:
    return [each.name for each in fields(Device)]
