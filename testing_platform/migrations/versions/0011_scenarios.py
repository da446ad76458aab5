"""scenarios of the chooser, and judges' ratings of the items"""

import sqlalchemy as sa

import testing_platform.db
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "scenarios",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("cut", sa.Integer(), nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("made_by_id", sa.Integer(), nullable=False),
        sa.Column("made_at", testing_platform.db.Instant(timezone=True), nullable=False),
        sa.CheckConstraint("cut >= 0", name=op.f("ck_scenarios_cut_is_a_raw_score")),
        sa.ForeignKeyConstraint(["made_by_id"], ["people.id"], name=op.f("fk_scenarios_made_by_id")),
        sa.ForeignKeyConstraint(["run_id"], ["score_runs.id"], name=op.f("fk_scenarios_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scenarios")),
        sa.UniqueConstraint("run_id", "name", name=op.f("uq_scenarios_run_id_name")),
    )
    op.create_table(
        "judged_ratings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("administration_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("ratings", sa.JSON(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("made_by_id", sa.Integer(), nullable=False),
        sa.Column("made_at", testing_platform.db.Instant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["administration_id"], ["administrations.id"], name=op.f("fk_judged_ratings_administration_id")),
        sa.ForeignKeyConstraint(["made_by_id"], ["people.id"], name=op.f("fk_judged_ratings_made_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_judged_ratings")),
        sa.UniqueConstraint("administration_id", "number", name=op.f("uq_judged_ratings_administration_id_number")),
    )
