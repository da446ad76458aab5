"""equatings with an administration that has no passing score yet"""

import sqlalchemy as sa

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("equatings", schema=None) as batch_op:
        batch_op.alter_column("raw", existing_type=sa.Integer(), nullable=True)
