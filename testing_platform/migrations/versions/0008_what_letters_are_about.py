"""what letters are about"""

import sqlalchemy as sa

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# A result's first letter was put into the outbox under the instant that stands on the result.
TIE = """
UPDATE notices SET about = (
    SELECT 'attempt:' || min(attempt_id) FROM qualifying_results
    WHERE qualifying_results.person_id = notices.person_id AND mailed_at = notices.created_at
    HAVING count(DISTINCT attempt_id) = 1
) WHERE template LIKE 'result-%'
"""


def upgrade() -> None:
    with op.batch_alter_table("notices", schema=None) as batch_op:
        batch_op.add_column(sa.Column("about", sa.String(), nullable=True))
        batch_op.create_index(batch_op.f("ix_notices_about"), ["about"], unique=False)
    op.execute(TIE)
