"""Colours for classes that come without any."""

import colorsys

_TABLEAU = (
    (78, 121, 167), (242, 142, 43), (225, 87, 89), (118, 183, 178), (89, 161, 79),
    (237, 201, 72), (176, 122, 161), (255, 157, 167), (156, 117, 95), (186, 176, 172),
)  # fmt: skip
"""Tableau 10, made to be told apart."""

_GOLDEN_ANGLE = 0.61803398875


def palette(classes: int) -> tuple[tuple[int, int, int], ...]:
    """`classes` colours (red, green, blue; 0..255): Tableau 10, then hues a golden angle apart."""
    colours = list(_TABLEAU[:classes])
    for index in range(len(colours), classes):
        red, green, blue = colorsys.hsv_to_rgb(index * _GOLDEN_ANGLE % 1, 0.6, 0.55 + 0.4 * (index % 2))
        colours.append((round(red * 255), round(green * 255), round(blue * 255)))
    return tuple(colours)
