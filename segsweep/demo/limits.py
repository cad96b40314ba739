"""How much the page takes at a time."""

MOST_BYTES = 2**25
"""Of an uploaded file."""
MOST_PIXELS = 2**24
"""Of an image; a file that says to have more is refused before it is decoded."""
MOST_NUMBERS = 2**28
"""In an image, all bands together, for the same reason."""
MOST_WAITING = 4
"""Images that are predicted or wait for it; more are refused."""
LONGEST_SHOWN = 2048
"""Pixels of the longer side of what is sent to the page; larger images are predicted as they are, and shown smaller."""
