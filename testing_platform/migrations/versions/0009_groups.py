"""groups"""

import sqlalchemy as sa
from alembic import op

import testing_platform.db

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ROLES = (
    "role IN ('candidate', 'proctor', 'lead_proctor', 'facility_proctor', 'analyst', 'approver', 'scheduler', 'auditor', 'operator',"
    " 'item_writer', 'item_reviewer', 'fairness_reviewer', 'validation_analyst')"
)
AREAS = "area IN ('candidate', 'proctor', 'analyst', 'scheduler', 'auditor', 'operator', 'validation', 'public')"
ETHNICITIES = "'white', 'black', 'hispanic', 'asian', 'pacific', 'native', 'two_or_more'"


def _widen_checks() -> None:
    """One more role and area. On SQLite the table is made anew, and its old check is left behind with it."""
    for table, name, condition in (
        ("role_grants", "role_is_known", ROLES),
        ("sign_ins", "area_is_known", AREAS),
        ("one_time_links", "area_is_known", AREAS),
    ):
        sqlite = op.get_bind().dialect.name == "sqlite"
        with op.batch_alter_table(table, recreate="always" if sqlite else "never") as batch_op:
            if not sqlite:
                batch_op.drop_constraint(op.f(f"ck_{table}_{name}"), type_="check")
            batch_op.create_check_constraint(op.f(f"ck_{table}_{name}"), condition)


def upgrade() -> None:
    _widen_checks()
    op.create_table(
        "demographics",
        sa.Column("administration_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("sex", sa.String(), nullable=True),
        sa.Column("ethnicity", sa.String(), nullable=True),
        sa.Column("age_40", sa.Boolean(), nullable=True),
        sa.CheckConstraint("sex IN ('F', 'M', 'X')", name=op.f("ck_demographics_sex_is_known")),
        sa.CheckConstraint(f"ethnicity IN ({ETHNICITIES})", name=op.f("ck_demographics_ethnicity_is_known")),
        sa.ForeignKeyConstraint(["administration_id"], ["administrations.id"], name=op.f("fk_demographics_administration_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_demographics_person_id")),
        sa.PrimaryKeyConstraint("administration_id", "person_id", name=op.f("pk_demographics")),
    )
    op.create_table(
        "group_views",
        sa.Column("administration_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("first_at", testing_platform.db.Instant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["administration_id"], ["administrations.id"], name=op.f("fk_group_views_administration_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_group_views_person_id")),
        sa.PrimaryKeyConstraint("administration_id", "person_id", name=op.f("pk_group_views")),
    )
    op.create_table(
        "countersignatures",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("decision_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("signed_at", testing_platform.db.Instant(timezone=True), nullable=False),
        sa.Column("cuts", sa.JSON(), nullable=False),
        sa.Column("methods", sa.String(), nullable=False),
        sa.Column("words", sa.String(), nullable=False),
        sa.Column("decision_digest", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["decision_id"], ["passing_score_decisions.id"], name=op.f("fk_countersignatures_decision_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_countersignatures_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_countersignatures")),
        sa.UniqueConstraint("decision_id", name=op.f("uq_countersignatures_decision_id")),
    )
