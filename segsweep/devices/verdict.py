"""Whether a file fits a device, or by how much not."""

from segsweep.devices.footprint import Footprint
from segsweep.devices.profile import Device

FITS = "fits"
_SAME = 0.99
"""Where fewer of the pixels have the class that the reference kernels give them, the device computes something else."""


def verdict(asked: Footprint, device: Device) -> str:
    """`fits`, or by how much it does not: `RAM 140.2 KiB too small; flash 20.1 KiB too small`."""
    rooms = {
        "flash": asked.flash_bytes - device.flash_bytes,
        "RAM": asked.memory_bytes - device.ram_bytes,
    }
    found = [f"{name} {excess / 1024:.1f} KiB too small" for name, excess in rooms.items() if excess > 0]
    return "; ".join([*obstacles(asked, device), *found]) or FITS


def obstacles(asked: Footprint, device: Device) -> list[str]:
    """Why the device cannot run a file however much memory it had, some words each."""
    lacking = sorted(set(asked.operators) & set(device.missing_operators))
    found = [f"operators it lacks: {', '.join(lacking)}"] if lacking else []
    return found + (_obstacles_in_micro(asked) if device.runtime == "micro" else [])


def _obstacles_in_micro(asked: Footprint) -> list[str]:
    """What was found by trying counts more than what the file makes one expect."""
    micro, expected = asked.micro, list(asked.problems)
    if micro is None:
        return expected
    if micro.error:
        return expected or [f"TensorFlow Lite Micro: {micro.error}"]
    if micro.same_class is None:
        return expected
    if micro.same_class < _SAME:
        return expected or [f"TensorFlow Lite Micro gives {1 - micro.same_class:.1%} of the pixels another class"]
    return []
