"""Text as every later stage sees it."""

import re
import unicodedata

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_BLANKS = re.compile(r"[ \t\u00a0]+")
_EMPTY_LINES = re.compile(r"\n{3,}")


def clean_text(text: str) -> str:
    """Normalise to NFC, one kind of newline and blank, no control characters, no outer space.

    Cleaning twice changes nothing, so offsets into a cleaned text stay valid.
    """
    text = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")
    text = _BLANKS.sub(" ", _CONTROL.sub("", text))
    lines = (line.strip() for line in text.split("\n"))
    return _EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip()
