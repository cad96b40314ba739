"""Settings of data sources that must fit each other."""

from typing import Any

from segsweep.errors import ConfigError

NEEDED = {
    **dict.fromkeys(("cifar100", "class_folders", "image_folder", "oxford_pets", "voc"), "root"),
    "npz": "train",
}
"""By source, what says where the data lies."""


def check_data(leaves: dict[str, Any]) -> None:
    """Refuse settings of the section `data` that cannot be meant.

    Args:
        leaves: values by override name.

    Raises:
        ConfigError: naming the setting.
    """
    name = leaves.get("data.name")
    needed = NEEDED.get(name) if isinstance(name, str) else None
    if needed is not None and leaves.get(f"data.{needed}") is None and not leaves.get("data.standin"):
        raise ConfigError(f"data.{needed} is not set; give it as data.{needed}=..., or data.standin=true to try it out")
    size = leaves.get("data.size")
    if isinstance(size, list) and len(size) != 2:
        raise ConfigError(f"data.size={size} must be [height,width], or null")
    if name == "class_folders":
        for setting in ("patch.size", "ignore_label"):
            if leaves.get(f"data.{setting}") is not None:
                raise ConfigError(
                    f"data.{setting}={leaves[f'data.{setting}']} is for masks; data=class_folders has a class an image"
                )
    patch, stride = leaves.get("data.patch.size"), leaves.get("data.patch.stride")
    if stride is not None and (patch is None or stride > patch):
        raise ConfigError(f"data.patch.stride={stride} must be at most data.patch.size={patch}, or pixels are lost")
