"""`segsweep demo-page`: a page on this machine that shows what one or two models say of an image.

Imports nothing heavy: the worker process does.
"""

import argparse
import webbrowser
from collections.abc import Sequence
from typing import Any

from segsweep.errors import SegsweepError
from segsweep.predict.model_options import add_model_options, integers
from segsweep.predict.request import Request

_PORT = 8008
_MOST_MODELS = 2
_DESCRIPTION = """\
Serve a page, for this machine only, on which one drops an image and sees what an exported .tflite file makes of it: its
map or its likeliest classes, with the latency on this host. Two models stand side by side. Images stay in memory.
"""


def demo_page(arguments: Sequence[str]) -> int:
    """Serves until interrupted.

    Raises:
        SegsweepError: a model cannot be used, or the port is taken.
    """
    options = _parser().parse_args(arguments)
    _check(options)

    from segsweep.demo.server import DemoServer
    from segsweep.demo.workplace import Workplace

    request = Request(
        models=tuple(options.models),
        inputs=(),
        output="",
        staging="",
        channels=tuple(options.channels),
        scale=options.scale,
        mean=tuple(options.mean),
        std=tuple(options.std),
        classes=tuple(options.classes),
    )
    workplace = Workplace(request, options.timeout)
    try:
        with DemoServer(workplace, options.port) as server:
            print(f"demo page on {server.url} (Ctrl-C ends it)", flush=True)
            if options.open:
                webbrowser.open(server.url)
            server.serve_forever()
    finally:
        workplace.close()
    return 0


def _check(options: argparse.Namespace) -> None:
    """Raises SegsweepError for values that cannot be meant."""
    if len(options.models) > _MOST_MODELS:
        raise SegsweepError(f"{len(options.models)} models for one page; give one, or two to compare")
    if not 0 <= options.port < 2**16:
        raise SegsweepError(f"--port {options.port}: a number up to 65535, or 0 for any that is free")
    if options.scale is not None and not 0 < options.scale < float("inf"):
        raise SegsweepError(f"--scale {options.scale:g}: a number greater than 0")
    if not 0 < options.timeout < float("inf"):
        raise SegsweepError(f"--timeout {options.timeout:g}: seconds, more than 0")


class _Parser(argparse.ArgumentParser):
    """Complains as all of segsweep does."""

    def error(self, message: str) -> Any:
        raise SegsweepError(f"{message}, after segsweep demo-page; see segsweep demo-page --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="segsweep demo-page", description=_DESCRIPTION, allow_abbrev=False)
    add = parser.add_argument
    add("models", nargs="+", metavar="MODEL", help="an exported .tflite file; two are shown side by side")
    add("--port", type=int, default=_PORT, metavar="N", help="0: any that is free; default: %(default)s")
    add("--open", action="store_true", help="open the page in the browser")
    add("--channels", metavar="I,I", type=integers, default=[], help="the bands of images to use, from 0, in order")
    add_model_options(parser)
    add("--timeout", type=float, default=120.0, metavar="SECONDS", help="for one image; default: %(default)g")
    return parser
