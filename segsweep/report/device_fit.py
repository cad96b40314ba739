"""Whether each variant of a comparison fits a device."""

from collections.abc import Mapping

import pandas as pd

from segsweep.devices.footprint import Footprint, footprint_of_run
from segsweep.devices.profile import Device
from segsweep.devices.verdict import verdict
from segsweep.report.attributes import KeptList
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store

COLUMN = "fits"
_MOST_NAMED = 10


def footprints(table: pd.DataFrame, runs: Mapping[str, RunRecord], store: Store) -> dict[str, Footprint]:
    """What the files of a comparison's rows ask of a device, by run id, where they are known.

    An older run, which does not state it, has its file looked at, without TensorFlow Lite Micro.
    """
    found = {run_id: footprint_of_run(store, runs[run_id]) for run_id in table["run_id"] if run_id in runs}
    return {run_id: each for run_id, each in found.items() if each is not None}


def with_verdicts(table: pd.DataFrame, asked: Mapping[str, Footprint], device: Device) -> pd.DataFrame:
    """The comparison with the verdicts in words as one column more; empty where nothing is known."""
    return table.assign(fits=[verdict(asked[run], device) if run in asked else "" for run in table["run_id"]])


def with_remarks(
    table: pd.DataFrame, asked: Mapping[str, Footprint], runs: Mapping[str, RunRecord], device: Device
) -> pd.DataFrame:
    """The rows to show, with remarks that say what the device has, and where the verdicts are less than sure."""
    shown = {run: asked[run] for run in table["run_id"] if run in asked}
    remark = f"{device.title}: {device.flash_kib:g} KiB of flash, {device.ram_kib:g} KiB of RAM"
    remark += f" ({device.source})." if device.source else "."
    remarks = [f"{remark} {device.note}".strip()]
    planned = sum(1 for each in shown.values() if each.micro is None)
    if planned:
        remarks.append(
            f"The memory of {planned} variants is planned, not what TensorFlow Lite Micro took, whose own structures "
            "add 4 to 10 KiB in a small network, and 50 to 300 KiB in one with a pretrained encoder: a "
            "sweep with segsweep[micro] installed measures it."
        )
    unequal = [
        f"{runs[run].name} ({each.micro.equal:.2%} are equal"
        f"{'; ' + ', '.join(each.micro.unequal) + ' differ' if each.micro.unequal else ''})"
        for run, each in shown.items()
        if each.micro is not None and each.micro.equal is not None and each.micro.equal < 1
    ]
    if unequal:
        more = f" and {len(unequal) - _MOST_NAMED} more" if len(unequal) > _MOST_NAMED else ""
        remarks.append(
            "TensorFlow Lite Micro's output values are not all bit for bit those of LiteRT's reference kernels in "
            f"{', '.join(unequal[:_MOST_NAMED])}{more}."
        )
    result = table.copy(deep=False)
    result.attrs["remarks"] = KeptList([*table.attrs.get("remarks", ()), *remarks])
    return result
