"""Words of users in documents: shown as they are, whatever they mean there."""

import re
import unicodedata

_MARKDOWN_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_MARKDOWN = re.compile(r"[\\`*\[\]|~$#]|(?<![^\W_])_|_(?![^\W_])")
"""What means something in Markdown; `_` between letters does not."""

_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "$": r"\$",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\char34{}", "`": r"\textasciigrave{}",
    "-": r"{-}", "\u0394": r"$\Delta$", "−": "$-$", "×": r"$\times$", "±": r"$\pm$", "–": "--", "…": r"\ldots{}",
    "\u00a0": "~", "[": "{[}", "]": "{]}", "*": "{*}",
}  # fmt: skip
_LATEX_LETTERS = frozenset("ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿŒœŁłŠšŽžČčĆćŃńŚśŹźŻż")
"""Letters beyond ASCII that every LaTeX sets, in its old fonts too."""
OTHER_LETTERS = r"\segsweepletters"
"""The command that sets letters which pdfLaTeX has no font for, and names them there."""


def markdown_text(text: str) -> str:
    """Text for a cell or a paragraph of Markdown."""
    plain = " ".join(_visible(text).split())
    plain = _MARKDOWN.sub(lambda match: "\\" + match[0], plain)
    return re.sub("[&<>]", lambda match: _MARKDOWN_ENTITIES[match[0]], plain)


def latex_text(text: str) -> str:
    """Text for a paragraph or a cell of LaTeX.

    Letters of other alphabets stand in `OTHER_LETTERS`, which a document must define.
    """
    pieces = []
    for known, letters in _runs(" ".join(_visible(text).split())):
        if known:
            pieces.append("".join(_LATEX.get(letter, letter) for letter in letters))
        else:
            numbers = " ".join(f"U+{ord(letter):04X}" for letter in letters if not letter.isspace())
            pieces.append(f"{OTHER_LETTERS}{{{letters}}}{{{numbers}}}")
    return "".join(pieces)


def _visible(text: str) -> str:
    """Text without control characters, which no document shows; composed, as fonts have it."""
    kept = (" " if unicodedata.category(letter) in ("Cc", "Cs") else letter for letter in text)
    return unicodedata.normalize("NFC", "".join(kept))


def _runs(text: str) -> list[tuple[bool, str]]:
    """Text cut into parts whose letters every LaTeX knows, and parts whose it may not."""
    parts: list[tuple[bool, str]] = []
    for letter in text:
        known = letter in _LATEX or letter in _LATEX_LETTERS or letter.isascii()
        if parts and parts[-1][0] == known:
            parts[-1] = (known, parts[-1][1] + letter)
        else:
            parts.append((known, letter))
    return parts
