"""What a prediction shows: a progress bar on a terminal, a line for each scene that is done."""

import sys
from types import TracebackType
from typing import IO, Any

_SHARES_SHOWN = 4


class Showing:
    """Shows the worker's messages; the bar and the notes on `stream`, what is done on standard output."""

    def __init__(self, stream: IO[str]):
        self._stream = stream
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> "Showing":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def message(self, message: dict[str, Any]) -> None:
        """One of them."""
        if "total" in message:
            self._begin(message["total"])
        if "tiles" in message and self._bar is not None:
            self._bar.update(self._task, completed=message["tiles"])
        if "stage" in message and self._bar is not None:
            self._bar.update(self._task, description=message["stage"])
        if "note" in message:
            print(f"segsweep: {message['note']}", file=self._stream)
        if "scene" in message:
            print(f"{message['scene']}: {_shares(message['shares'])}; {', '.join(message['files'])}", file=sys.stdout)
        if "areas" in message:
            print(f"areas: {message['areas']}", file=sys.stdout)

    def _begin(self, total: int) -> None:
        if not self._stream.isatty():
            return
        try:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
        except ImportError:  # it is none of the few packages that prediction needs
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(file=self._stream), transient=True)
        self._task = self._bar.add_task("predicting", total=total)
        self._bar.start()


def _shares(shares: dict[str, float]) -> str:
    """The largest classes."""
    ordered = sorted(shares.items(), key=lambda item: -item[1])
    shown = [f"{name} {share:.1%}" for name, share in ordered[:_SHARES_SHOWN]]
    return ", ".join([*shown, "..."] if len(ordered) > _SHARES_SHOWN else shown)
