"""What a comparison knows beside its columns, as attributes of its table."""

from typing import Any, Self


class _Kept:
    """Nobody changes it, so it need not be copied: pandas copies attributes deeply with every row that is looked at."""

    def __deepcopy__(self, memo: Any) -> Self:
        return self


class KeptDict(_Kept, dict[Any, Any]):
    """A dictionary that tables share."""


class KeptList(_Kept, list[Any]):
    """A list that tables share."""
