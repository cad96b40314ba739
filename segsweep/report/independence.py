"""On how many independent images the intervals of a comparison rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from segsweep.evaluation.bootstrap import is_too_few
from segsweep.report.attributes import KeptDict
from segsweep.tracking import names
from segsweep.tracking.records import Member, RunRecord


@dataclass(frozen=True)
class Independence:
    """Of the test images that a variant was scored on."""

    images: int
    groups: int
    """Groups of them that are independent of each other."""
    is_given: bool
    """Whether it is known which images belong together, as `data.groups` says."""
    can_be_given: bool = False
    """Whether the data source has that setting, and it is not set."""

    @property
    def too_few(self) -> bool:
        """Whether there is no interval for that reason."""
        return is_too_few(self.groups)


def independent_by_run(members: Sequence[Member], runs: Mapping[str, RunRecord]) -> KeptDict:
    """What is known of each finished run of a sweep's members, by its id; `runs` are by evaluation key."""
    found = KeptDict()
    for member in members:
        run = runs.get(member.evaluation_key)
        if run is not None and run.is_finished and names.TEST_GROUPS in run.tags and names.TEST_IMAGES in run.tags:
            found[run.run_id] = Independence(
                int(run.tags[names.TEST_IMAGES]),
                int(run.tags[names.TEST_GROUPS]),
                names.GROUPS_GIVEN in run.tags,
                "data.groups" in run.params and member.settings.get("data.groups") is None,
            )
    return found


def independence_of(table: pd.DataFrame) -> list[Independence]:
    """What is known of the rows of a comparison, each different one once."""
    known = table.attrs.get("independent", {})
    return list(dict.fromkeys(known[run] for run in table["run_id"] if run in known))


def groups_sentences(table: pd.DataFrame) -> list[str]:
    """On how many independent groups the intervals of a comparison rest, a sentence for each set of test images."""
    sentences = []
    for each in independence_of(table):
        images = "1 test image" if each.images == 1 else f"{each.images} test images"
        if each.too_few:
            sentences.append(
                f"Differences on {images} are not told apart from noise: there are too few independent images "
                f"({each.groups}) for an interval."
            )
        elif each.groups < each.images:
            sentences.append(f"The intervals rest on {each.groups} independent groups of {images}.")
        elif each.is_given:
            sentences.append(f"The intervals rest on {images}, which are independent of each other.")
        else:
            remedy = "; name groups of them with data.groups" if each.can_be_given else ""
            sentences.append(f"The intervals rest on {images}, which are assumed to be independent{remedy}.")
    return sentences
