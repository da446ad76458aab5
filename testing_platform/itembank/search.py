"""Full-text search over the bank: FTS5 on SQLite, a tsvector on PostgreSQL. One row for each item, with the words of its newest version."""

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import DDL, Select, String, bindparam, event, literal_column, text
from sqlalchemy.orm import Session

from testing_platform.itembank.models import Item, ItemVersion
from testing_platform.itembank.rules import text_of

# Beginnings have an index of their own: without it an unfinished word is looked for as every word that begins so (measured: 65 ms, now 3).
SQLITE = "CREATE VIRTUAL TABLE item_words USING fts5(words, tokenize = 'porter unicode61 remove_diacritics 2', prefix = '1 2 3 4')"
POSTGRESQL = (
    "CREATE TABLE item_words (item_id INTEGER PRIMARY KEY REFERENCES items (id), words TSVECTOR NOT NULL)",
    "CREATE INDEX ix_item_words_words ON item_words USING gin (words)",
)
# The tables that only a database itself knows: FTS5 keeps several for one.
PREFIX = "item_words"

event.listen(Item.__table__, "after_create", DDL(SQLITE).execute_if(dialect="sqlite"))
for _statement in POSTGRESQL:
    event.listen(Item.__table__, "after_create", DDL(_statement).execute_if(dialect="postgresql"))


def words_of(version: ItemVersion) -> str:
    """Everything by which somebody may look for the item."""
    said = [version.item.code, version.title, version.rationale, *(tag.tag for tag in version.item.tags)]
    shown = [version.stem, *(option["html"] for option in version.options)]
    if version.stimulus is not None:
        said.append(version.stimulus.title)
        shown.append(version.stimulus.html)
    return " ".join([*said, *map(text_of, shown)])


def _sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"


def index(session: Session, versions: Sequence[ItemVersion]) -> None:
    """From now on the items are found by these versions' words."""
    rows = [{"item": version.item_id, "words": words_of(version)} for version in versions]
    if not rows:
        return
    if _sqlite(session):
        statement = "INSERT OR REPLACE INTO item_words (rowid, words) VALUES (:item, :words)"
    else:
        statement = (
            "INSERT INTO item_words (item_id, words) VALUES (:item, to_tsvector('english', :words))"
            " ON CONFLICT (item_id) DO UPDATE SET words = excluded.words"
        )
    session.execute(text(statement), rows)


def narrowed(session: Session, items: Select[Any], typed: str) -> Select[Any]:
    """Those of the items that have all of these words, the last of which may be unfinished; all of them when no word was typed."""
    found = re.findall(r"\w+", typed)
    if not found:
        return items
    if _sqlite(session):
        query = " ".join(f'"{word}"' for word in found) + "*"
        table = text("SELECT rowid AS item FROM item_words WHERE item_words MATCH :typed").bindparams(typed=query)
        # The sign keeps SQLite from looking for the words anew in each of the items.
        return items.join(table.columns(literal_column("item")).subquery("worded"), literal_column("+worded.item") == Item.id)
    # Written into the statement: prepared without its words it is planned as if any words were in a few items.
    words = bindparam("typed", " & ".join(found) + ":*", String, literal_execute=True)
    table = text("SELECT item_id FROM item_words WHERE words @@ to_tsquery('english', :typed)").bindparams(words)
    return items.where(Item.id.in_(table.columns(literal_column("item_id"))))
