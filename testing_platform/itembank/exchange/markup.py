"""Plain text, Moodle's own text and the little Markdown that item writers use, as HTML that is not yet cleaned."""

import re
from html import escape

TAG = re.compile(r"</?[A-Za-z][^<>]*>|&(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
BULLET = re.compile(r"^\s*[-*+]\s+(.*)$")


def plain(text: str) -> str:
    """A blank line parts paragraphs, a single line end is kept."""
    parts = [part for part in re.split(r"\n\s*\n", text.strip()) if part.strip()]
    return "".join("<p>" + "<br>".join(escape(line.strip(), quote=False) for line in part.strip().splitlines()) + "</p>" for part in parts)


def inline(text: str) -> str:
    """As `plain`, for an option: one paragraph needs no mark."""
    html = plain(text)
    return html[3:-4] if html.count("<p>") == 1 else html


def marked_up(text: str) -> str:
    """Text that may be HTML already: left alone if it holds a tag or an entity."""
    return text if TAG.search(text) else plain(text)


def moodle(text: str) -> str:
    """Moodle's own format: HTML in which line ends count."""
    if not TAG.search(text):
        return plain(text)
    return "".join(f"<p>{part.strip()}</p>".replace("\n", "<br>") for part in re.split(r"\n\s*\n", text.strip()) if part.strip())


def markdown(text: str) -> str:
    """Paragraphs, lists of one level, strong, emphasis and code; a table or a link stays as it was typed."""
    made = []
    for part in re.split(r"\n\s*\n", text.strip()):
        lines = part.splitlines()
        listed = [BULLET.match(line) for line in lines]
        first = next((at for at, found in enumerate(listed) if found), None)
        before = lines if first is None else lines[:first]
        if "".join(before).strip():
            made.append("<p>" + "<br>".join(_spans(line.strip()) for line in before) + "</p>")
        if first is not None:
            rows = [_spans(found[1]) if found else _spans(line.strip()) for found, line in zip(listed[first:], lines[first:], strict=True)]
            made.append("<ul>" + "".join(f"<li>{row}</li>" for row in rows) + "</ul>")
    return "".join(made)


def _spans(line: str) -> str:
    line = escape(line, quote=False)
    line = re.sub(r"`([^`]+)`", r"<code>\1</code>", line)
    line = re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", line)
    line = re.sub(r"(?<!\*)\*([^*\s][^*]*)\*(?!\*)", r"<em>\1</em>", line)
    return re.sub(r"(?<![\w_])_([^_\s][^_]*)_(?![\w_])", r"<em>\1</em>", line)


def by_format(text: str, name: str) -> str:
    """By the name that Moodle's files give: html, moodle_auto_format or moodle, plain_text or plain, markdown."""
    match name.lower():
        case "html" | "1":
            return text
        case "plain_text" | "plain" | "2":
            return plain(text)
        case "markdown" | "4":
            return markdown(text)
        case _:
            return moodle(text)
