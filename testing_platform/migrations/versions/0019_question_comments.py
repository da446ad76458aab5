"""what candidates write about questions"""

import sqlalchemy as sa

import testing_platform.db
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "question_comments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("attempt_id", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("at", testing_platform.db.Instant(timezone=True), nullable=False),
        sa.CheckConstraint("text != ''", name=op.f("ck_question_comments_has_its_text")),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name=op.f("fk_question_comments_attempt_id")),
        sa.ForeignKeyConstraint(["version_id"], ["item_versions.id"], name=op.f("fk_question_comments_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_question_comments")),
        sa.UniqueConstraint("attempt_id", "key", name=op.f("uq_question_comments_attempt_id_key")),
    )
    op.create_index(op.f("ix_question_comments_version_id"), "question_comments", ["version_id"], unique=False)
