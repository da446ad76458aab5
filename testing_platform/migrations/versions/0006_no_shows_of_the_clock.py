"""no-shows of the clock"""

import sqlalchemy as sa

import testing_platform.db
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("closed_at", testing_platform.db.Instant(timezone=True), nullable=True))
    with op.batch_alter_table("no_shows", schema=None) as batch_op:
        batch_op.alter_column("recorded_by_id", existing_type=sa.Integer(), nullable=True)
