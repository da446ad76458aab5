"""what people made of leads"""

import sqlalchemy as sa

import testing_platform.db
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lead_conclusions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("administration_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("one_id", sa.Integer(), nullable=False),
        sa.Column("other_id", sa.Integer(), nullable=True),
        sa.Column("conclusion", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("at", testing_platform.db.Instant(timezone=True), nullable=False),
        sa.CheckConstraint(
            "conclusion IN ('no_concern', 'referred', 'explained', 'unexplained')", name=op.f("ck_lead_conclusions_conclusion_is_known")
        ),
        sa.CheckConstraint("one_id < other_id", name=op.f("ck_lead_conclusions_pair_in_order")),
        sa.CheckConstraint("reason != ''", name=op.f("ck_lead_conclusions_has_its_reason")),
        sa.ForeignKeyConstraint(["administration_id"], ["administrations.id"], name=op.f("fk_lead_conclusions_administration_id")),
        sa.ForeignKeyConstraint(["one_id"], ["attempts.id"], name=op.f("fk_lead_conclusions_one_id")),
        sa.ForeignKeyConstraint(["other_id"], ["attempts.id"], name=op.f("fk_lead_conclusions_other_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_lead_conclusions_person_id")),
        sa.ForeignKeyConstraint(["run_id"], ["score_runs.id"], name=op.f("fk_lead_conclusions_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lead_conclusions")),
    )
    op.create_index(op.f("ix_lead_conclusions_administration_id"), "lead_conclusions", ["administration_id"], unique=False)
