"""equatings that are kept, and rulings on the items of an anchor"""

import sqlalchemy as sa

import testing_platform.db
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "anchor_rulings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("administration_id", sa.Integer(), nullable=False),
        sa.Column("earlier_id", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("out", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("at", testing_platform.db.Instant(timezone=True), nullable=False),
        sa.CheckConstraint("reason != ''", name=op.f("ck_anchor_rulings_has_its_reason")),
        sa.ForeignKeyConstraint(["administration_id"], ["administrations.id"], name=op.f("fk_anchor_rulings_administration_id")),
        sa.ForeignKeyConstraint(["earlier_id"], ["administrations.id"], name=op.f("fk_anchor_rulings_earlier_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_anchor_rulings_person_id")),
        sa.ForeignKeyConstraint(["version_id"], ["item_versions.id"], name=op.f("fk_anchor_rulings_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_anchor_rulings")),
    )
    op.create_index("ix_anchor_rulings_pair", "anchor_rulings", ["administration_id", "earlier_id"], unique=False)
    op.create_table(
        "equatings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("administration_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("earlier_run_id", sa.Integer(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("items", sa.JSON(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("raw", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("made_by_id", sa.Integer(), nullable=False),
        sa.Column("made_at", testing_platform.db.Instant(timezone=True), nullable=False),
        sa.CheckConstraint("earlier_run_id != run_id", name=op.f("ck_equatings_two_administrations")),
        sa.CheckConstraint("raw >= 0", name=op.f("ck_equatings_raw_is_a_count")),
        sa.CheckConstraint("reason != ''", name=op.f("ck_equatings_has_its_reason")),
        sa.ForeignKeyConstraint(["administration_id"], ["administrations.id"], name=op.f("fk_equatings_administration_id")),
        sa.ForeignKeyConstraint(["earlier_run_id"], ["score_runs.id"], name=op.f("fk_equatings_earlier_run_id")),
        sa.ForeignKeyConstraint(["made_by_id"], ["people.id"], name=op.f("fk_equatings_made_by_id")),
        sa.ForeignKeyConstraint(["run_id"], ["score_runs.id"], name=op.f("fk_equatings_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_equatings")),
        sa.UniqueConstraint("administration_id", "number", name=op.f("uq_equatings_administration_id_number")),
    )
