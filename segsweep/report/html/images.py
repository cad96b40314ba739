"""Pictures as text that stands inside a page."""

import base64
import io
import re
from collections.abc import Sequence

import numpy as np
from PIL import Image

_DARKEST, _LIGHTEST = 30, 232
"""Grey levels that white and black become where the page is dark."""
_JPEG_QUALITY = 85


def data_uri(content: bytes, kind: str) -> str:
    """Bytes of a media type as an address that needs no network."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def dark(svg: str) -> str:
    """The same SVG for a dark page: black and white and the greys between change places, colours stay."""
    svg = re.sub(r"#([0-9a-f]{2})\1\1\b", lambda match: _flipped(int(match[1], 16)), svg)
    # What says no colour is black.
    return svg.replace("<svg ", f'<svg fill="{_flipped(0)}" ', 1)


def photo_uri(pixels: np.ndarray) -> str:
    """An image (H, W, 3) uint8 for people to look at, as small as it may be without visible loss."""
    picture = Image.fromarray(pixels)
    lossless, lossy = io.BytesIO(), io.BytesIO()
    picture.save(lossless, format="PNG", optimize=True)
    picture.save(lossy, format="JPEG", quality=_JPEG_QUALITY, subsampling=0, optimize=True)
    if len(lossless.getvalue()) <= len(lossy.getvalue()):
        return data_uri(lossless.getvalue(), "image/png")
    return data_uri(lossy.getvalue(), "image/jpeg")


def mask_uri(ids: np.ndarray, palette: Sequence[tuple[int, int, int]], *, clear: int | None = None) -> str:
    """Ids (H, W) uint8 in colours, as a PNG with a palette.

    Args:
        ids: 0 to 255.
        palette: a colour for each id from 0; others are grey.
        clear: the id that is transparent.
    """
    used, small = np.unique(ids, return_inverse=True)
    picture = Image.fromarray(small.reshape(ids.shape).astype(np.uint8), mode="P")
    colours = [palette[each] if each < len(palette) else (128, 128, 128) for each in used]
    picture.putpalette([channel for colour in colours for channel in colour])
    file = io.BytesIO()
    options = {"transparency": int(np.flatnonzero(used == clear)[0])} if clear is not None and clear in used else {}
    picture.save(file, format="PNG", optimize=True, bits=_bits(len(used)), **options)
    return data_uri(file.getvalue(), "image/png")


def _bits(colours: int) -> int:
    return next(bits for bits in (1, 2, 4, 8) if colours <= 2**bits)


def _flipped(level: int) -> str:
    grey = round(_LIGHTEST - (_LIGHTEST - _DARKEST) * level / 255)
    return f"#{grey:02x}{grey:02x}{grey:02x}"
