"""Re-opening, flapping, grouping, templates, post-mortems, merged incidents and drills"""

import sqlalchemy as sa
from alembic import op

from kener.db import Instant


revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None

KEEP_IDS = {'sqlite_autoincrement': True}
# SQLite copies these tables into new ones; an id that was deleted must never be given again, links and feeds live on.


def upgrade() -> None:
    with op.batch_alter_table('alert_configuration') as table:
        table.add_column(sa.Column('reopen_minutes', sa.Integer(), nullable=True))
        table.add_column(sa.Column('flapping_start', sa.Integer(), nullable=True))
        table.add_column(sa.Column('flapping_stop', sa.Integer(), nullable=True))
        table.add_column(sa.Column('group_minutes', sa.Integer(), nullable=True))
        table.add_column(sa.Column('title_template', sa.Text(), nullable=True))
        table.add_column(sa.Column('first_update_template', sa.Text(), nullable=True))
        table.add_column(sa.Column('closing_update_template', sa.Text(), nullable=True))
    with op.batch_alter_table('streak') as table:
        table.add_column(sa.Column('recent', sa.String(length=64), nullable=False, server_default=''))
        table.add_column(sa.Column('is_flapping', sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table('alert', table_kwargs=KEEP_IDS) as table:
        table.add_column(sa.Column('is_drill', sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table('incident', table_kwargs=KEEP_IDS) as table:
        table.add_column(sa.Column('is_drill', sa.Boolean(), nullable=False, server_default=sa.false()))
        table.add_column(sa.Column('post_mortem', sa.Text(), nullable=True))
        table.add_column(sa.Column('post_mortem_at', Instant(), nullable=True))
        table.add_column(sa.Column('post_mortem_by', sa.String(length=255), nullable=True))
        table.add_column(sa.Column('merged_into_id', sa.Integer(), nullable=True))
        table.create_foreign_key(
            op.f('fk_incident_merged_into_id'), 'incident', ['merged_into_id'], ['id'], ondelete='SET NULL'
        )
        table.create_index(op.f('ix_incident_merged_into_id'), ['merged_into_id'])
    with op.batch_alter_table('incident_update') as table:
        table.add_column(sa.Column('merged_from_id', sa.Integer(), nullable=True))
    op.create_table('drill',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('config_id', sa.Integer(), nullable=True),
    sa.Column('monitor_tag', sa.String(length=255), nullable=False),
    sa.Column('alert_id', sa.Integer(), nullable=True),
    sa.Column('requested_by', sa.String(length=255), nullable=False),
    sa.Column('requested_at', Instant(), nullable=False),
    sa.Column('started_at', Instant(), nullable=True),
    sa.Column('opened_at', Instant(), nullable=True),
    sa.Column('resolved_at', Instant(), nullable=True),
    sa.Column('failure', sa.String(length=500), nullable=True),
    sa.ForeignKeyConstraint(['config_id'], ['alert_configuration.id'], name=op.f('fk_drill_config_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['alert_id'], ['alert.id'], name=op.f('fk_drill_alert_id'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_drill')),
    sqlite_autoincrement=True
    )
    op.create_index(op.f('ix_drill_config_id'), 'drill', ['config_id'])
    op.create_index(op.f('ix_drill_alert_id'), 'drill', ['alert_id'])


def downgrade() -> None:
    op.drop_table('drill')
    with op.batch_alter_table('incident_update') as table:
        table.drop_column('merged_from_id')
    with op.batch_alter_table('incident', table_kwargs=KEEP_IDS) as table:
        table.drop_constraint(op.f('fk_incident_merged_into_id'), type_='foreignkey')
        table.drop_index(op.f('ix_incident_merged_into_id'))
        for name in ('merged_into_id', 'post_mortem_by', 'post_mortem_at', 'post_mortem', 'is_drill'):
            table.drop_column(name)
    with op.batch_alter_table('alert', table_kwargs=KEEP_IDS) as table:
        table.drop_column('is_drill')
    with op.batch_alter_table('streak') as table:
        table.drop_column('is_flapping')
        table.drop_column('recent')
    with op.batch_alter_table('alert_configuration') as table:
        for name in (
            'closing_update_template', 'first_update_template', 'title_template', 'group_minutes', 'flapping_stop', 'flapping_start',
            'reopen_minutes',
        ):
            table.drop_column(name)
