"""results on hold"""

import sqlalchemy as sa

import testing_platform.db
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "result_holds",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("attempt_id", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("placed_by_id", sa.Integer(), nullable=False),
        sa.Column("placed_at", testing_platform.db.Instant(timezone=True), nullable=False),
        sa.Column("cleared_by_id", sa.Integer(), nullable=True),
        sa.Column("cleared_at", testing_platform.db.Instant(timezone=True), nullable=True),
        sa.Column("cleared_reason", sa.String(), server_default="", nullable=False),
        sa.CheckConstraint("(cleared_at IS NULL) = (cleared_by_id IS NULL)", name=op.f("ck_result_holds_cleared_by_someone")),
        sa.CheckConstraint("cleared_at IS NULL OR cleared_reason != ''", name=op.f("ck_result_holds_cleared_with_a_reason")),
        sa.CheckConstraint("reason != ''", name=op.f("ck_result_holds_has_its_reason")),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name=op.f("fk_result_holds_attempt_id")),
        sa.ForeignKeyConstraint(["cleared_by_id"], ["people.id"], name=op.f("fk_result_holds_cleared_by_id")),
        sa.ForeignKeyConstraint(["placed_by_id"], ["people.id"], name=op.f("fk_result_holds_placed_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_result_holds")),
    )
    standing = sa.text("cleared_at IS NULL")
    op.create_index(
        "uq_result_holds_standing", "result_holds", ["attempt_id"], unique=True, sqlite_where=standing, postgresql_where=standing
    )
