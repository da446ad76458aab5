"""From the bank to a file for another system. What the format has no place for is told for each item, before anything is handed out."""

from collections.abc import Iterable
from dataclasses import replace

from testing_platform.itembank.exchange import write_moodle, write_print, write_qti, write_table, write_text
from testing_platform.itembank.exchange.drafts import Draft
from testing_platform.itembank.exchange.written import Export, Outline, Section

PAPER = ("html", "pdf")
# For other systems, the fullest first, and for paper.
FORMATS = ("qti3", "qti21", "moodle", "gift", "aiken", "csv", *PAPER)


def write(
    drafts: Iterable[Draft],
    format: str = FORMATS[0],
    outline: Outline | None = None,
    title: str = "",
    with_key: bool = False,
    look: bool = False,
) -> Export:
    """The items in this order, or those of a form (`outline`), with its test where the format knows tests. Same items, same bytes.

    `title` stands above what is printed, and only there the key may be left out. Who wants to `look` asks for what is left alone: no PDF is set
    in type for that. Raises write_print.NoPrinter.
    """
    held = outline.drafts if outline is not None else list(drafts)
    sections = outline.sections if outline is not None else (Section("", tuple(held)),)
    time_limit = outline.time_limit if outline is not None else None
    match format:
        case "qti3":
            return write_qti.write(write_qti.QTI3, held, outline)
        case "qti21":
            return write_qti.write(write_qti.QTI21, held, outline)
        case "moodle":
            return write_moodle.write(held)
        case "gift":
            return write_text.write_gift(held)
        case "aiken":
            return write_text.write_aiken(held)
        case "csv":
            return write_table.write(held)
        case "html":
            return write_print.write_html(sections, title, with_key, time_limit)
        case "pdf" if look:
            return replace(write_print.write_html(sections, title, with_key, time_limit), left=write_print.unprintable(sections))
        case "pdf":
            return write_print.write_pdf(sections, title, with_key, time_limit)
    raise ValueError(f"no such format: {format}")
