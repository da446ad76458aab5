"""quicker search in a large bank"""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_item_versions_listed",
        "item_versions",
        ["item_id", "newest", "state", "difficulty", "kind", "author_id", "stimulus_id", "created_at"],
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute("ALTER TABLE item_words RENAME TO item_words_before")
        op.execute(
            "CREATE VIRTUAL TABLE item_words USING fts5(words, tokenize = 'porter unicode61 remove_diacritics 2', prefix = '1 2 3 4')"
        )
        op.execute("INSERT INTO item_words (rowid, words) SELECT rowid, words FROM item_words_before")
        op.execute("DROP TABLE item_words_before")
