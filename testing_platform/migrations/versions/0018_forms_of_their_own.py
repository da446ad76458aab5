"""forms of their own"""

import sqlalchemy as sa

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("loft_pools", schema=None) as batch_op:
        batch_op.add_column(sa.Column("form_id", sa.Integer(), nullable=True))
        batch_op.create_foreign_key(batch_op.f("fk_loft_pools_form_id"), "forms", ["form_id"], ["id"])
        batch_op.create_unique_constraint(batch_op.f("uq_loft_pools_form_id"), ["form_id"])
    with op.batch_alter_table("loft_draws", schema=None) as batch_op:
        batch_op.add_column(sa.Column("for_candidate", sa.Boolean(), server_default=sa.text("false"), nullable=False))
        batch_op.add_column(sa.Column("left_out", sa.JSON(), server_default="[]", nullable=False))
