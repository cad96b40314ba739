"""Whether each variant of a comparison fits a device."""

from collections.abc import Mapping

import pandas as pd

from segsweep.devices.footprint import footprint_of_run
from segsweep.devices.profile import Device
from segsweep.devices.verdict import verdict
from segsweep.report.attributes import KeptList
from segsweep.tracking.records import RunRecord
from segsweep.tracking.store import Store

COLUMN = "fits"


def with_device(table: pd.DataFrame, runs: Mapping[str, RunRecord], store: Store, device: Device) -> pd.DataFrame:
    """The comparison with one column more, the verdict in words, and a remark that says what the device has.

    An older run, which does not state what its file asks for, has the file looked at, without TensorFlow Lite Micro. A
    row without a file has no verdict.
    """
    found = {run_id: footprint_of_run(store, runs[run_id]) for run_id in table["run_id"] if run_id in runs}
    asked = [found.get(run_id) for run_id in table["run_id"]]
    with_verdict = table.assign(fits=[verdict(each, device) if each is not None else "" for each in asked])
    remark = f"{device.title}: {device.flash_kib:g} KiB of flash, {device.ram_kib:g} KiB of RAM"
    remark += f" ({device.source})." if device.source else "."
    planned = sum(1 for each in asked if each is not None and not each.is_measured)
    if planned:
        remark += (
            f" The memory of {planned} variants is planned, not what TensorFlow Lite Micro took; its own structures "
            "add up to some 10 KiB."
        )
    remarks = [f"{remark} {device.note}".strip()]
    unequal = [
        f"{row.quantization} ({each.micro.equal:.2%}, {runs[str(row.run_id)].name})"
        for row, each in zip(table.itertuples(), asked, strict=True)
        if each is not None and each.micro is not None and each.micro.equal not in (None, 1.0)
    ]
    if unequal:
        remarks.append(
            "TensorFlow Lite Micro's output is not bit for bit that of LiteRT's reference kernels in "
            f"{', '.join(unequal)}: the share of values that are equal."
        )
    with_verdict.attrs["remarks"] = KeptList([*table.attrs.get("remarks", ()), *remarks])
    return with_verdict
