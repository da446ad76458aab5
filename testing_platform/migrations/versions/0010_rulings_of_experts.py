"""rulings of experts, and results held harmless"""

import sqlalchemy as sa

import testing_platform.db
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "panel_items",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("administration_id", sa.Integer(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("flags", sa.JSON(), nullable=False),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("asked_by_id", sa.Integer(), nullable=False),
        sa.Column("asked_at", testing_platform.db.Instant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["administration_id"], ["administrations.id"], name=op.f("fk_panel_items_administration_id")),
        sa.ForeignKeyConstraint(["asked_by_id"], ["people.id"], name=op.f("fk_panel_items_asked_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_panel_items")),
        sa.UniqueConstraint("administration_id", "slot", name=op.f("uq_panel_items_administration_id_slot")),
    )
    op.create_table(
        "panel_rulings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("panel_item_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("answers", sa.JSON(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("knew_key", sa.Boolean(), nullable=False),
        sa.Column("at", testing_platform.db.Instant(timezone=True), nullable=False),
        sa.CheckConstraint("verdict IN ('keep', 'drop')", name=op.f("ck_panel_rulings_verdict_is_known")),
        sa.CheckConstraint("reason != ''", name=op.f("ck_panel_rulings_has_its_reason")),
        sa.CheckConstraint("place >= 1", name=op.f("ck_panel_rulings_place_counts_from_one")),
        sa.ForeignKeyConstraint(["panel_item_id"], ["panel_items.id"], name=op.f("fk_panel_rulings_panel_item_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_panel_rulings_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_panel_rulings")),
        sa.UniqueConstraint("panel_item_id", "person_id", name=op.f("uq_panel_rulings_panel_item_id_person_id")),
        sa.UniqueConstraint("panel_item_id", "place", name=op.f("uq_panel_rulings_panel_item_id_place")),
    )
    with op.batch_alter_table("qualifying_results", schema=None) as batch_op:
        batch_op.add_column(sa.Column("held", sa.Boolean(), server_default=sa.text("false"), nullable=False))
        batch_op.create_check_constraint(op.f("ck_qualifying_results_held_passes"), "NOT held OR outcome = 'PASS'")
