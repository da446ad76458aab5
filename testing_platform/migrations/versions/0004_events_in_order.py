"""events in order"""

import sqlalchemy as sa

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.add_column(sa.Column("txid", sa.BigInteger(), server_default="0", nullable=False))
        batch_op.create_index(batch_op.f("ix_events_txid_id"), ["txid", "id"], unique=False)
    # A camera counts its pictures in 32 bits, PostgreSQL's INTEGER has 31.
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("evidence_stills", "seq", type_=sa.BigInteger())
        op.alter_column("evidence_stills", "epoch", type_=sa.BigInteger())
