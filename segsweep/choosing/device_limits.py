"""Wishes for the memory that a variant needs while it runs, and for the device that it must run on."""

from collections.abc import Sequence

from segsweep.choosing.candidates import Candidate, Limit
from segsweep.choosing.words import kib
from segsweep.devices.profile import Device
from segsweep.devices.verdict import obstacles


def memory_limit(option: str, most: float) -> Limit:
    """At most so many bytes."""
    return Limit(option, "memory", most, _memory, kib)


def device_limits(option: str, device: Device) -> list[Limit]:
    """What a device asks for: that it can run the file, and has the room."""

    def count(each: Candidate) -> float | None:
        return len(obstacles(each.footprint, device)) if each.footprint is not None else None

    def reasons(each: Candidate) -> str:
        return "; ".join(obstacles(each.footprint, device)) if each.footprint is not None else ""

    return [
        Limit(option, "whether the device runs it", 0, count, lambda _: f"runs on {device.title}", 1.0, reasons),
        Limit(option, "flash", device.flash_bytes, lambda each: each.size_bytes, kib),
        Limit(option, "RAM", device.ram_bytes, _memory, kib),
    ]


def memory_remarks(allowed: Sequence[Candidate], device: Device | None) -> list[str]:
    """What one should know of the numbers."""
    remarks = []
    planned = sum(1 for each in allowed if each.footprint is not None and each.footprint.micro is None)
    if planned:
        remarks.append(
            f"the memory of {planned} of {len(allowed)} variants is planned, not what TensorFlow Lite Micro took: a "
            "sweep with segsweep[micro] installed measures it"
        )
    if device is not None and device.note:
        remarks.append(f"{device.title}: {device.note}")
    return remarks


def _memory(each: Candidate) -> float | None:
    return each.footprint.memory_bytes if each.footprint is not None else None
