"""Text for HTML."""

import html
import unicodedata


def escape_html(text: str) -> str:
    """Text for HTML. Control characters, which it may not hold, become U+FFFD."""
    visible = "".join("\ufffd" if unicodedata.category(c) == "Cc" and c not in "\t\n" else c for c in text)
    return html.escape(visible)
