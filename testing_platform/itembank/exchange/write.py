"""From the bank to a file for another system. What the format has no place for is told for each item, before anything is handed out."""

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from testing_platform.itembank.exchange import write_moodle, write_qti, write_table, write_text
from testing_platform.itembank.exchange.drafts import Draft
from testing_platform.itembank.exchange.written import Export, Outline

FORMATS = ("qti3", "qti21", "moodle", "gift", "aiken", "csv")


def write(drafts: Iterable[Draft], format: str = FORMATS[0], outline: Outline | None = None) -> Export:
    """The items in this order; of a form (`outline`) its own, and where the format knows tests, the test. Same items, same bytes."""
    held = outline.drafts if outline is not None else list(drafts)
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
    raise ValueError(f"no such format: {format}")


def keep(path: Path, data: bytes) -> None:
    """The whole file or, when anything goes wrong on the way, what was there before."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
