"""blueprints and assembled forms"""

import sqlalchemy as sa

import testing_platform.db
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('blueprints',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('bank_id', sa.Integer(), nullable=False),
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('content', sa.JSON(), nullable=False),
    sa.Column('digest', sa.String(), nullable=False),
    sa.Column('created_at', testing_platform.db.Instant(timezone=True), nullable=False),
    sa.Column('author_id', sa.Integer(), nullable=True),
    sa.ForeignKeyConstraint(['author_id'], ['people.id'], name=op.f('fk_blueprints_author_id')),
    sa.ForeignKeyConstraint(['bank_id'], ['banks.id'], name=op.f('fk_blueprints_bank_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_blueprints')),
    sa.UniqueConstraint('bank_id', 'name', 'number', name=op.f('uq_blueprints_bank_id_name_number'))
    )
    op.create_table('assemblies',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('blueprint_id', sa.Integer(), nullable=False),
    sa.Column('forms', sa.Integer(), nullable=False),
    sa.Column('seed', sa.Integer(), nullable=False),
    sa.Column('seconds', sa.Integer(), nullable=False),
    sa.Column('state', sa.String(), nullable=False),
    sa.Column('asked_at', testing_platform.db.Instant(timezone=True), nullable=False),
    sa.Column('asked_by_id', sa.Integer(), nullable=True),
    sa.Column('began_at', testing_platform.db.Instant(timezone=True), nullable=True),
    sa.Column('ended_at', testing_platform.db.Instant(timezone=True), nullable=True),
    sa.Column('pool_digest', sa.String(), nullable=True),
    sa.Column('result', sa.JSON(), server_default='{}', nullable=False),
    sa.CheckConstraint("(state IN ('met', 'short', 'unmet', 'refused')) = (ended_at IS NOT NULL)", name=op.f('ck_assemblies_ended_has_its_time')),
    sa.CheckConstraint("state = 'asked' OR began_at IS NOT NULL", name=op.f('ck_assemblies_begun_has_its_time')),
    sa.CheckConstraint("state IN ('asked', 'running', 'met', 'short', 'unmet', 'refused')", name=op.f('ck_assemblies_state_is_known')),
    sa.CheckConstraint('forms BETWEEN 1 AND 20', name=op.f('ck_assemblies_one_to_twenty_forms')),
    sa.ForeignKeyConstraint(['asked_by_id'], ['people.id'], name=op.f('fk_assemblies_asked_by_id')),
    sa.ForeignKeyConstraint(['blueprint_id'], ['blueprints.id'], name=op.f('fk_assemblies_blueprint_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_assemblies'))
    )
    with op.batch_alter_table('assemblies', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_assemblies_blueprint_id'), ['blueprint_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_assemblies_state'), ['state'], unique=False)

    op.create_table('loft_pools',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('blueprint_id', sa.Integer(), nullable=False),
    sa.Column('seed', sa.Integer(), nullable=False),
    sa.Column('content', sa.JSON(), nullable=False),
    sa.Column('digest', sa.String(), nullable=False),
    sa.Column('frozen_at', testing_platform.db.Instant(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['blueprint_id'], ['blueprints.id'], name=op.f('fk_loft_pools_blueprint_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_loft_pools'))
    )
    with op.batch_alter_table('loft_pools', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_loft_pools_blueprint_id'), ['blueprint_id'], unique=False)

    op.create_table('form_plans',
    sa.Column('form_id', sa.Integer(), nullable=False),
    sa.Column('assembly_id', sa.Integer(), nullable=True),
    sa.Column('sections', sa.JSON(), server_default='[]', nullable=False),
    sa.Column('unscored', sa.JSON(), server_default='[]', nullable=False),
    sa.Column('shuffle_items', sa.Boolean(), server_default=sa.text('false'), nullable=False),
    sa.Column('shuffle_options', sa.Boolean(), server_default=sa.text('false'), nullable=False),
    sa.ForeignKeyConstraint(['assembly_id'], ['assemblies.id'], name=op.f('fk_form_plans_assembly_id')),
    sa.ForeignKeyConstraint(['form_id'], ['forms.id'], name=op.f('fk_form_plans_form_id')),
    sa.PrimaryKeyConstraint('form_id', name=op.f('pk_form_plans'))
    )
    with op.batch_alter_table('form_plans', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_form_plans_assembly_id'), ['assembly_id'], unique=False)

    op.create_table('loft_draws',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('pool_id', sa.Integer(), nullable=False),
    sa.Column('seed', sa.Integer(), nullable=False),
    sa.Column('form_id', sa.Integer(), nullable=False),
    sa.Column('drawn_at', testing_platform.db.Instant(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['form_id'], ['forms.id'], name=op.f('fk_loft_draws_form_id')),
    sa.ForeignKeyConstraint(['pool_id'], ['loft_pools.id'], name=op.f('fk_loft_draws_pool_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_loft_draws')),
    sa.UniqueConstraint('form_id', name=op.f('uq_loft_draws_form_id')),
    sa.UniqueConstraint('pool_id', 'seed', name=op.f('uq_loft_draws_pool_id_seed'))
    )
    with op.batch_alter_table('loft_draws', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_loft_draws_pool_id'), ['pool_id'], unique=False)

    op.create_table('attempt_orders',
    sa.Column('attempt_id', sa.Integer(), nullable=False),
    sa.Column('seed', sa.String(), nullable=False),
    sa.ForeignKeyConstraint(['attempt_id'], ['attempts.id'], name=op.f('fk_attempt_orders_attempt_id')),
    sa.PrimaryKeyConstraint('attempt_id', name=op.f('pk_attempt_orders'))
    )
