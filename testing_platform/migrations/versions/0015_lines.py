"""which tests came over one line"""

import sqlalchemy as sa

import testing_platform.db
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attempt_lines",
        sa.Column("attempt_id", sa.Integer(), nullable=False),
        sa.Column("line", sa.String(), nullable=False),
        sa.Column("first_at", testing_platform.db.Instant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name=op.f("fk_attempt_lines_attempt_id")),
        sa.PrimaryKeyConstraint("attempt_id", "line", name=op.f("pk_attempt_lines")),
    )
