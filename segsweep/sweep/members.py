"""What a sweep lists as its rows: its own list, so that a sweep that found everything done is as complete."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from segsweep.lineage.used_settings import used_settings
from segsweep.sweep.points import Impossible
from segsweep.sweep.running import Failure
from segsweep.sweep.waves import Job
from segsweep.tracking.records import Member, RunRecord

_NO_RUN = "its job ended without it; the data may have changed meanwhile"


def members_of(jobs: Sequence[Job]) -> list[Member]:
    """A member for each variant that the jobs need, each once."""
    found: dict[str, Member] = {}
    for job in jobs:
        for spec in job.spec.variants:
            asked = spec is job.spec.asked
            known = found.get(spec.evaluation_key)
            if known is None:
                found[spec.evaluation_key] = Member(
                    evaluation_key=spec.evaluation_key,
                    training_key=spec.training.key,
                    training_kind=spec.training.kind,
                    asked=asked,
                    settings=used_settings(spec),
                )
            elif asked and not known.asked:
                found[spec.evaluation_key] = replace(known, asked=True)
    return list(found.values())


def skipped_members(impossible: Sequence[Impossible]) -> list[Member]:
    """A member for each variant that was asked for and cannot work."""
    return [
        replace(member, status="SKIPPED", reason=each.reason)
        for each in impossible
        for member in members_of([each.job])
        if member.asked
    ]


def merged(known: Sequence[Member], more: Sequence[Member]) -> list[Member]:
    """Members of batches, each once; one that any batch asked for was asked for."""
    found = {member.evaluation_key: member for member in known}
    for member in more:
        before = found.get(member.evaluation_key)
        if before is None:
            found[member.evaluation_key] = member
        elif member.asked and not before.asked:
            found[member.evaluation_key] = replace(before, asked=True)
    return list(found.values())


def with_runs(
    members: Sequence[Member], runs: Mapping[str, RunRecord], failures: Mapping[str, Failure]
) -> list[Member]:
    """Members with their runs and how they ended.

    Args:
        members: of the sweep.
        runs: the finished run of each evaluation key.
        failures: why the others were not made, by evaluation key.
    """
    return [
        member
        if member.status == "SKIPPED" and member.evaluation_key not in runs and member.evaluation_key not in failures
        else _ended(member, runs.get(member.evaluation_key), failures.get(member.evaluation_key))
        for member in members
    ]


def _ended(member: Member, run: RunRecord | None, failure: Failure | None) -> Member:
    if run is not None:
        return replace(member, run_id=run.run_id, status="FINISHED", reason=None)
    if failure is None:
        return replace(member, status="FAILED", reason=_NO_RUN)
    status = "FAILED" if failure.started and not failure.pruned else "SKIPPED"
    return replace(member, status=status, reason=failure.reason)


def members_file(members: Sequence[Member]) -> bytes:
    """The artifact `sweep/members.json`."""
    return json.dumps({"format": 1, "members": [asdict(member) for member in members]}, indent=1).encode()


def failure_table(failed: Sequence[Member]) -> str:
    """What failed and why, a line a member."""
    lines = [f"{len(failed)} variants failed:"]
    for member in failed:
        settings = member.settings
        what = f"w{settings.get('model.width')} lr{settings.get('training.learning_rate')}"
        lines.append(f"  {settings.get('quantization.name')} {what} ({member.training_kind}): {member.reason}")
    return "\n".join(lines)
