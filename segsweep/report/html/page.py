"""The report as one file: nothing in it is fetched from anywhere, and nothing runs but what it brings."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from segsweep.report.figures.rendering import render
from segsweep.report.figures.style import COLUMN_INCHES, PAGE_INCHES
from segsweep.report.figures.table import PLOTS
from segsweep.report.formats.report_input import ReportInput
from segsweep.report.html.certainty import TextTable, certainty, class_table
from segsweep.report.html.galleries import Gallery, gallery
from segsweep.report.html.images import dark, data_uri
from segsweep.report.html.overview import overview
from segsweep.report.html.provenance import provenance
from segsweep.report.html.rows import page_table
from segsweep.report.references import reference_lines

_NARROW_ROWS = 500
"""Of more rows, plots are not drawn a second time for phones."""
_KEEP_WHITE = ("class-iou-change",)
"""Plots whose numbers stand on colours that were chosen for them: on a dark page they stay on white."""
_NUMBERS = {"class-iou-change": class_table}


@dataclass(frozen=True)
class Picture:
    """A plot in all the ways that a page may need it, as addresses."""

    name: str
    title: str
    light: str
    dark: str
    narrow_light: str
    narrow_dark: str
    on_white: bool
    numbers: TextTable | None
    """What it shows, where the comparison does not."""


def to_html(report: ReportInput) -> str:
    """The page, whole; what names and messages hold is shown as text, whatever it is."""
    environment = Environment(
        loader=PackageLoader("segsweep.report.html", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pictures = gallery(report)
    style = environment.get_template("page.css").render(images=_backgrounds(pictures))
    script = environment.get_template("page.js").render()
    return environment.get_template("page.html").render(
        overview=overview(report),
        table=page_table(report),
        references=reference_lines(report.table, report.view.decimals),
        certainty=certainty(report),
        plots=list(_plots(report)),
        gallery=pictures,
        provenance=provenance(report),
        sweep=report.sweep,
        # Not escaped: they hold nothing of the store but addresses of pictures that were drawn here.
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def _plots(report: ReportInput) -> Iterator[Picture]:
    for name, plot in PLOTS.items():
        figure = plot.draw(report, PAGE_INCHES)
        if figure is None:
            continue
        narrow = wide = render(figure, "svg", text=True, salt=name).decode()
        if len(report.table) <= _NARROW_ROWS:
            small = plot.draw(report, COLUMN_INCHES)
            assert small is not None
            narrow = render(small, "svg", text=True, salt=name).decode()
        on_white = name in _KEEP_WHITE
        at_night = (lambda svg: svg) if on_white else dark
        numbers = _NUMBERS[name](report) if name in _NUMBERS else None
        yield Picture(
            name, plot.title, _svg(wide), _svg(at_night(wide)), _svg(narrow), _svg(at_night(narrow)), on_white, numbers
        )


def _svg(text: str) -> str:
    return data_uri(text.encode(), "image/svg+xml")


def _backgrounds(pictures: Gallery) -> list[tuple[int, Markup]]:
    """The test images, which stand faded under the flips of all variants and are in the page once."""
    return [(each.number, Markup(each.image)) for each in pictures.images]


def _hash(text: str) -> str:
    """What the page's content security policy says of a script or style that may be used."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
