"""item bank"""

import json
import re
from html import unescape

import sqlalchemy as sa
from alembic import op

import testing_platform.db

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ROLES = (
    "role IN ('candidate', 'proctor', 'lead_proctor', 'facility_proctor', 'analyst', 'approver', 'scheduler', 'auditor', 'operator',"
    " 'item_writer', 'item_reviewer', 'fairness_reviewer')"
)
STATES = (
    "'draft', 'in_review', 'returned', 'approved', 'pilot', 'active', 'rested', 'under_challenge', 'retired', 'compromised', 'replaced'"
)
SIGNED = "'approved', 'pilot', 'active', 'rested', 'under_challenge'"


def _widen_roles() -> None:
    """On SQLite the table is made anew, and its old check is left behind with it."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    with op.batch_alter_table("role_grants", recreate="always" if sqlite else "never") as batch_op:
        if not sqlite:
            batch_op.drop_constraint(op.f("ck_role_grants_role_is_known"), type_="check")
        batch_op.create_check_constraint(op.f("ck_role_grants_role_is_known"), ROLES)


def _carry_key() -> None:
    """One right option becomes a list of them."""
    bind = op.get_bind()
    versions = sa.table("item_versions", sa.column("id"), sa.column("key"), sa.column("correct", sa.JSON()))
    for number, key in bind.execute(sa.select(versions.c.id, versions.c.key)).all():
        bind.execute(versions.update().where(versions.c.id == number).values(correct=[key]))


def _mark_newest() -> None:
    """Nobody has signed what was here before: each version begins as a draft."""
    op.execute(
        "UPDATE item_versions SET newest = true WHERE number ="
        " (SELECT max(number) FROM item_versions AS other WHERE other.item_id = item_versions.item_id)"
    )


def _make_findable() -> None:
    bind = op.get_bind()
    sqlite = bind.dialect.name == "sqlite"
    if sqlite:
        op.execute("CREATE VIRTUAL TABLE item_words USING fts5(words, tokenize = 'porter unicode61 remove_diacritics 2')")
        insert = "INSERT INTO item_words (rowid, words) VALUES (:item, :words)"
    else:
        op.execute("CREATE TABLE item_words (item_id INTEGER PRIMARY KEY REFERENCES items (id), words TSVECTOR NOT NULL)")
        op.execute("CREATE INDEX ix_item_words_words ON item_words USING gin (words)")
        insert = "INSERT INTO item_words (item_id, words) VALUES (:item, to_tsvector('english', :words))"
    rows = bind.execute(
        sa.text("SELECT items.id, code, stem, options, rationale FROM item_versions JOIN items ON items.id = item_id WHERE newest")
    ).all()
    for item, code, stem, options, rationale in rows:
        known = json.loads(options) if isinstance(options, str) else options
        html = " ".join([stem, *(option["html"] for option in known)])
        bind.execute(sa.text(insert), {"item": item, "words": f"{code} {rationale} {unescape(re.sub('<[^>]*>', ' ', html))}"})


def upgrade() -> None:
    _widen_roles()
    op.create_table(
        "item_pictures",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_item_pictures")),
    )
    op.create_table(
        "bank_searches",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("bank_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("query", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["bank_id"], ["banks.id"], name=op.f("fk_bank_searches_bank_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_bank_searches_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_searches")),
        sa.UniqueConstraint("bank_id", "person_id", "name", name=op.f("uq_bank_searches_bank_id_person_id_name")),
    )
    op.create_table(
        "enemy_groups",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("bank_id", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("created_by_id", sa.Integer(), nullable=True),
        sa.Column("created_at", testing_platform.db.Instant(timezone=True), nullable=False),
        sa.Column("ended_at", testing_platform.db.Instant(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["bank_id"], ["banks.id"], name=op.f("fk_enemy_groups_bank_id")),
        sa.ForeignKeyConstraint(["created_by_id"], ["people.id"], name=op.f("fk_enemy_groups_created_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enemy_groups")),
    )
    with op.batch_alter_table("enemy_groups", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_enemy_groups_bank_id"), ["bank_id"], unique=False)

    op.create_table(
        "job_statements",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("bank_id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.CheckConstraint("kind IN ('duty', 'knowledge', 'ability')", name=op.f("ck_job_statements_kind_is_known")),
        sa.ForeignKeyConstraint(["bank_id"], ["banks.id"], name=op.f("fk_job_statements_bank_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_statements")),
        sa.UniqueConstraint("bank_id", "code", name=op.f("uq_job_statements_bank_id_code")),
    )
    op.create_table(
        "enemy_members",
        sa.Column("group_id", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["enemy_groups.id"], name=op.f("fk_enemy_members_group_id")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_enemy_members_item_id")),
        sa.PrimaryKeyConstraint("group_id", "item_id", name=op.f("pk_enemy_members")),
    )
    with op.batch_alter_table("enemy_members", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_enemy_members_item_id"), ["item_id"], unique=False)

    op.create_table(
        "item_statements",
        sa.Column("item_id", sa.Integer(), nullable=False),
        sa.Column("statement_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_item_statements_item_id")),
        sa.ForeignKeyConstraint(["statement_id"], ["job_statements.id"], name=op.f("fk_item_statements_statement_id")),
        sa.PrimaryKeyConstraint("item_id", "statement_id", name=op.f("pk_item_statements")),
    )
    op.create_table(
        "item_tags",
        sa.Column("item_id", sa.Integer(), nullable=False),
        sa.Column("tag", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_item_tags_item_id")),
        sa.PrimaryKeyConstraint("item_id", "tag", name=op.f("pk_item_tags")),
    )
    with op.batch_alter_table("item_tags", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_item_tags_tag"), ["tag"], unique=False)

    op.create_table(
        "item_comments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("at", testing_platform.db.Instant(timezone=True), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.CheckConstraint("text != ''", name=op.f("ck_item_comments_says_something")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_item_comments_person_id")),
        sa.ForeignKeyConstraint(["version_id"], ["item_versions.id"], name=op.f("fk_item_comments_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_item_comments")),
    )
    with op.batch_alter_table("item_comments", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_item_comments_version_id"), ["version_id"], unique=False)

    op.create_table(
        "item_moves",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("before", sa.String(), nullable=False),
        sa.Column("after", sa.String(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=True),
        sa.Column("at", testing_platform.db.Instant(timezone=True), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_item_moves_person_id")),
        sa.ForeignKeyConstraint(["version_id"], ["item_versions.id"], name=op.f("fk_item_moves_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_item_moves")),
    )
    with op.batch_alter_table("item_moves", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_item_moves_version_id"), ["version_id"], unique=False)

    op.create_table(
        "item_openings",
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("at", testing_platform.db.Instant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_item_openings_person_id")),
        sa.ForeignKeyConstraint(["version_id"], ["item_versions.id"], name=op.f("fk_item_openings_version_id")),
        sa.PrimaryKeyConstraint("version_id", "person_id", name=op.f("pk_item_openings")),
    )
    op.create_table(
        "item_reviews",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("at", testing_platform.db.Instant(timezone=True), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=True),
        sa.CheckConstraint("(kind = 'key') = (answer IS NOT NULL)", name=op.f("ck_item_reviews_a_key_check_has_its_answer")),
        sa.CheckConstraint("kind IN ('content', 'fairness', 'key', 'waiver')", name=op.f("ck_item_reviews_kind_is_known")),
        sa.CheckConstraint("outcome = 'sign' OR text != ''", name=op.f("ck_item_reviews_a_return_has_its_reason")),
        sa.CheckConstraint("outcome IN ('sign', 'return')", name=op.f("ck_item_reviews_outcome_is_known")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_item_reviews_person_id")),
        sa.ForeignKeyConstraint(["version_id"], ["item_versions.id"], name=op.f("fk_item_reviews_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_item_reviews")),
    )
    with op.batch_alter_table("item_reviews", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_item_reviews_version_id"), ["version_id"], unique=False)
        batch_op.create_index(
            "uq_item_reviews_person",
            ["version_id", "person_id"],
            unique=True,
            sqlite_where=sa.text("kind != 'waiver'"),
            postgresql_where=sa.text("kind != 'waiver'"),
        )

    op.create_table(
        "item_statistics",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("administration_id", sa.Integer(), nullable=True),
        sa.Column("made_at", testing_platform.db.Instant(timezone=True), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("difficulty", sa.Numeric(precision=6, scale=3), nullable=False),
        sa.Column("discrimination", sa.Numeric(precision=6, scale=3), nullable=True),
        sa.Column("shares", sa.JSON(), nullable=False),
        sa.Column("median_time", testing_platform.db.Duration(), nullable=True),
        sa.Column("dif", sa.JSON(), nullable=True),
        sa.Column("irt", sa.JSON(), nullable=True),
        sa.CheckConstraint("difficulty BETWEEN 0 AND 1", name=op.f("ck_item_statistics_difficulty_is_a_share")),
        sa.CheckConstraint("discrimination BETWEEN -1 AND 1", name=op.f("ck_item_statistics_discrimination_is_a_correlation")),
        sa.CheckConstraint("n > 0", name=op.f("ck_item_statistics_somebody_was_asked")),
        sa.ForeignKeyConstraint(["administration_id"], ["administrations.id"], name=op.f("fk_item_statistics_administration_id")),
        sa.ForeignKeyConstraint(["version_id"], ["item_versions.id"], name=op.f("fk_item_statistics_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_item_statistics")),
    )
    with op.batch_alter_table("item_statistics", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_item_statistics_version_id"), ["version_id"], unique=False)

    with op.batch_alter_table("banks", schema=None) as batch_op:
        batch_op.add_column(sa.Column("areas", sa.JSON(), server_default="[]", nullable=False))
        batch_op.add_column(sa.Column("policy", sa.JSON(), server_default="{}", nullable=False))

    with op.batch_alter_table("form_slots", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_form_slots_item_version_id"), ["item_version_id"], unique=False)

    with op.batch_alter_table("forms", schema=None) as batch_op:
        batch_op.add_column(sa.Column("begun", sa.Integer(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("begun_at", testing_platform.db.Instant(timezone=True), nullable=True))

    with op.batch_alter_table("item_versions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("correct", sa.JSON(), nullable=True))
    _carry_key()
    with op.batch_alter_table("item_versions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("kind", sa.String(), server_default="single", nullable=False))
        batch_op.add_column(sa.Column("title", sa.String(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("bounds", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("shuffle", sa.Boolean(), server_default=sa.text("false"), nullable=False))
        batch_op.add_column(sa.Column("max_choices", sa.Integer(), server_default="1", nullable=False))
        batch_op.add_column(sa.Column("catalog", sa.String(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("grade", sa.Numeric(precision=6, scale=3), nullable=True))
        batch_op.add_column(sa.Column("variant_of_id", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("origin", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("author_id", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("state", sa.String(), server_default="draft", nullable=False))
        batch_op.add_column(sa.Column("state_at", testing_platform.db.Instant(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("newest", sa.Boolean(), server_default=sa.text("false"), nullable=False))
        batch_op.add_column(sa.Column("approved_by_id", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("approved_at", testing_platform.db.Instant(timezone=True), nullable=True))
        batch_op.create_index(batch_op.f("ix_item_versions_digest"), ["digest"], unique=False)
        batch_op.create_index("ix_item_versions_state", ["state", "item_id", "newest"], unique=False)
        batch_op.create_index(batch_op.f("ix_item_versions_stimulus_id"), ["stimulus_id"], unique=False)
        batch_op.create_index(
            "uq_item_versions_active",
            ["item_id", "language"],
            unique=True,
            sqlite_where=sa.text("state = 'active'"),
            postgresql_where=sa.text("state = 'active'"),
        )
        batch_op.create_foreign_key(batch_op.f("fk_item_versions_variant_of_id"), "item_versions", ["variant_of_id"], ["id"])
        batch_op.create_foreign_key(batch_op.f("fk_item_versions_approved_by_id"), "people", ["approved_by_id"], ["id"])
        batch_op.create_foreign_key(batch_op.f("fk_item_versions_author_id"), "people", ["author_id"], ["id"])
        batch_op.alter_column("correct", existing_type=sa.JSON(), nullable=False)
        batch_op.drop_column("key")
        batch_op.create_check_constraint(batch_op.f("ck_item_versions_kind_is_known"), "kind IN ('single', 'multiple', 'truefalse')")
        batch_op.create_check_constraint(batch_op.f("ck_item_versions_state_is_known"), f"state IN ({STATES})")
        batch_op.create_check_constraint(
            batch_op.f("ck_item_versions_in_use_when_approved"), f"state NOT IN ({SIGNED}) OR approved_by_id IS NOT NULL"
        )
        batch_op.create_check_constraint(
            batch_op.f("ck_item_versions_no_author_approves_own_work"),
            "approved_by_id IS NULL OR author_id IS NULL OR approved_by_id != author_id",
        )
        batch_op.create_check_constraint(
            batch_op.f("ck_item_versions_approved_has_its_time"), "(approved_by_id IS NULL) = (approved_at IS NULL)"
        )
    _mark_newest()
    with op.batch_alter_table("item_versions", schema=None) as batch_op:
        batch_op.create_index(
            "uq_item_versions_newest", ["item_id"], unique=True, sqlite_where=sa.text("newest"), postgresql_where=sa.text("newest")
        )

    with op.batch_alter_table("items", schema=None) as batch_op:
        batch_op.add_column(sa.Column("level", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("source", sa.String(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("security", sa.String(), server_default="secure", nullable=False))
        batch_op.add_column(sa.Column("calculator", sa.Boolean(), server_default=sa.text("false"), nullable=False))
        batch_op.add_column(sa.Column("expires_on", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("cloned_from_id", sa.Integer(), nullable=True))
        batch_op.create_index("ix_items_bank_id_area", ["bank_id", "area"], unique=False)
        batch_op.create_foreign_key(batch_op.f("fk_items_cloned_from_id"), "items", ["cloned_from_id"], ["id"])
        batch_op.create_check_constraint(batch_op.f("ck_items_level_is_known"), "level IN ('recall', 'apply', 'analyze')")
        batch_op.create_check_constraint(batch_op.f("ck_items_security_is_known"), "security IN ('secure', 'practice', 'released')")

    with op.batch_alter_table("stimuli", schema=None) as batch_op:
        batch_op.add_column(sa.Column("language", sa.String(), server_default="en", nullable=False))
        batch_op.create_index(batch_op.f("ix_stimuli_digest"), ["digest"], unique=False)

    _make_findable()
