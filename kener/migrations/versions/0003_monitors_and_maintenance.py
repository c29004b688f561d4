"""Confirmation, groups, dependencies, labels, pages, secrets, heartbeat signals, excluded windows, recurring maintenance"""

import sqlalchemy as sa
from alembic import op

from kener.db import Instant


revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None

KEEP_IDS = {'sqlite_autoincrement': True}


def upgrade() -> None:
    op.add_column('monitor', sa.Column('failure_confirmations', sa.Integer(), nullable=False, server_default=sa.text('1')))
    op.add_column('monitor', sa.Column('recovery_confirmations', sa.Integer(), nullable=False, server_default=sa.text('1')))
    op.add_column('monitor', sa.Column('retries', sa.Integer(), nullable=False, server_default=sa.text('0')))
    op.add_column('monitor', sa.Column('retry_delay_ms', sa.Integer(), nullable=False, server_default=sa.text('1000')))
    op.add_column('monitor', sa.Column('deleted_at', Instant(), nullable=True))
    op.add_column('monitor', sa.Column('deleted_by', sa.String(length=255), nullable=True))
    op.create_index(op.f('ix_monitor_deleted_at'), 'monitor', ['deleted_at'])
    for name in ('run_started_ms', 'fail_at', 'manual_until', 'evaluated_until'):
        op.add_column('monitor_state', sa.Column(name, sa.BigInteger(), nullable=True))
    op.add_column('monitor_state', sa.Column('fail_code', sa.SmallInteger(), nullable=True))
    op.add_column('monitor_state', sa.Column('anchor', sa.SmallInteger(), nullable=True))
    op.add_column('monitor_state', sa.Column('raw', sa.SmallInteger(), nullable=True))
    op.add_column('monitor_state', sa.Column('held_since', sa.BigInteger(), nullable=True))
    op.add_column('monitor_state', sa.Column('held', sa.Integer(), nullable=False, server_default=sa.text('0')))
    op.add_column('sample', sa.Column('raw', sa.SmallInteger(), nullable=True))

    op.create_table('monitor_label',
    sa.Column('monitor_id', sa.Integer(), nullable=False),
    sa.Column('label', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['monitor_id'], ['monitor.id'], name=op.f('fk_monitor_label_monitor_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('monitor_id', 'label', name=op.f('pk_monitor_label'))
    )
    op.create_index(op.f('ix_monitor_label_label'), 'monitor_label', ['label'])
    op.create_table('monitor_parent',
    sa.Column('monitor_id', sa.Integer(), nullable=False),
    sa.Column('parent_id', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['monitor_id'], ['monitor.id'], name=op.f('fk_monitor_parent_monitor_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['parent_id'], ['monitor.id'], name=op.f('fk_monitor_parent_parent_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('monitor_id', 'parent_id', name=op.f('pk_monitor_parent'))
    )
    op.create_index(op.f('ix_monitor_parent_parent_id'), 'monitor_parent', ['parent_id'])
    op.create_table('group_member',
    sa.Column('group_id', sa.Integer(), nullable=False),
    sa.Column('member_id', sa.Integer(), nullable=False),
    sa.Column('weight', sa.Float(), nullable=False),
    sa.ForeignKeyConstraint(['group_id'], ['monitor.id'], name=op.f('fk_group_member_group_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['member_id'], ['monitor.id'], name=op.f('fk_group_member_member_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('group_id', 'member_id', name=op.f('pk_group_member'))
    )
    op.create_index(op.f('ix_group_member_member_id'), 'group_member', ['member_id'])
    op.create_table('heartbeat_signal',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('monitor_id', sa.Integer(), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.String(length=8), nullable=False),
    sa.Column('exit_code', sa.Integer(), nullable=True),
    sa.Column('duration_ms', sa.BigInteger(), nullable=True),
    sa.Column('body', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['monitor_id'], ['monitor.id'], name=op.f('fk_heartbeat_signal_monitor_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_heartbeat_signal')),
    sqlite_autoincrement=True
    )
    op.create_index(op.f('ix_heartbeat_signal_at'), 'heartbeat_signal', ['at'])
    op.create_index('ix_heartbeat_signal_monitor_id_at', 'heartbeat_signal', ['monitor_id', 'at'])
    op.create_table('excluded_window',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('monitor_id', sa.Integer(), nullable=False),
    sa.Column('start_at', sa.BigInteger(), nullable=False),
    sa.Column('end_at', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('reason', sa.String(length=500), nullable=False),
    sa.Column('uptime_before', sa.JSON(), nullable=True),
    sa.Column('created_by', sa.String(length=255), nullable=False),
    sa.Column('created_at', Instant(), nullable=False),
    sa.ForeignKeyConstraint(['monitor_id'], ['monitor.id'], name=op.f('fk_excluded_window_monitor_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_excluded_window')),
    sqlite_autoincrement=True
    )
    op.create_index('ix_excluded_window_monitor_id_end_at', 'excluded_window', ['monitor_id', 'end_at'])
    op.create_table('secret',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('value', sa.Text(), nullable=False),
    sa.Column('description', sa.String(length=500), nullable=False),
    sa.Column('created_by', sa.String(length=255), nullable=False),
    sa.Column('created_at', Instant(), nullable=False),
    sa.Column('changed_by', sa.String(length=255), nullable=False),
    sa.Column('changed_at', Instant(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_secret')),
    sa.UniqueConstraint('name', name=op.f('uq_secret_name')),
    sqlite_autoincrement=True
    )
    op.create_table('page',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('path', sa.String(length=128), nullable=False),
    sa.Column('title', sa.String(length=255), nullable=False),
    sa.Column('header', sa.String(length=255), nullable=False),
    sa.Column('text', sa.Text(), nullable=True),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_at', Instant(), nullable=False),
    sa.Column('updated_at', Instant(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_page')),
    sa.UniqueConstraint('path', name=op.f('uq_page_path')),
    sqlite_autoincrement=True
    )
    op.create_table('page_monitor',
    sa.Column('page_id', sa.Integer(), nullable=False),
    sa.Column('monitor_id', sa.Integer(), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['page_id'], ['page.id'], name=op.f('fk_page_monitor_page_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['monitor_id'], ['monitor.id'], name=op.f('fk_page_monitor_monitor_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('page_id', 'monitor_id', name=op.f('pk_page_monitor'))
    )
    op.create_index(op.f('ix_page_monitor_monitor_id'), 'page_monitor', ['monitor_id'])
    maintenance()


def maintenance() -> None:
    """Windows become occurrences of a plan: those that were stored keep their times and their fate."""
    with op.batch_alter_table('maintenance', table_kwargs=KEEP_IDS) as table:
        table.add_column(sa.Column('is_active', sa.Boolean(), nullable=False, server_default=sa.true()))
        table.add_column(sa.Column('is_global', sa.Boolean(), nullable=False, server_default=sa.true()))
        table.add_column(sa.Column('start_at', Instant(), nullable=True))
        table.add_column(sa.Column('duration_s', sa.Integer(), nullable=True))
        table.add_column(sa.Column('rrule', sa.String(length=500), nullable=True))
        table.add_column(sa.Column('timezone', sa.String(length=64), nullable=False, server_default='UTC'))
        table.add_column(sa.Column('exdates', sa.JSON(), nullable=True))
        table.add_column(sa.Column('reminders', sa.JSON(), nullable=True))
        table.add_column(sa.Column('notices', sa.JSON(), nullable=True))
        table.add_column(sa.Column('fill_at', Instant(), nullable=True))
        table.create_index(op.f('ix_maintenance_fill_at'), ['fill_at'])
    with op.batch_alter_table('maintenance_window', table_kwargs=KEEP_IDS) as table:
        table.add_column(sa.Column('occurrence_at', Instant(), nullable=True))
        table.add_column(sa.Column('state', sa.String(length=24), nullable=True))
        table.add_column(sa.Column('due_at', Instant(), nullable=True))
        table.add_column(sa.Column('version', sa.Integer(), nullable=False, server_default=sa.text('1')))
        table.create_index(op.f('ix_maintenance_window_due_at'), ['due_at'])
    lists = (sa.column(name, sa.JSON()) for name in ('exdates', 'reminders', 'notices'))
    plan = sa.table('maintenance', sa.column('id'), sa.column('start_at', Instant()), sa.column('duration_s'), *lists)
    window = sa.table('maintenance_window', sa.column('maintenance_id'), sa.column('is_cancelled', sa.Boolean()),
                      *(sa.column(name, Instant()) for name in ('start_at', 'end_at', 'due_at')), sa.column('occurrence_at'),
                      sa.column('state'))
    first = sa.select(sa.func.min(window.c.start_at)).where(window.c.maintenance_id == plan.c.id).scalar_subquery()
    op.execute(sa.update(plan).values(exdates=[], reminders=[], notices=[], start_at=first))
    now = sa.func.now() if op.get_bind().dialect.name == 'postgresql' else sa.text('CURRENT_TIMESTAMP')
    fate = sa.case((window.c.is_cancelled, 'CANCELLED'), (window.c.end_at <= now, 'COMPLETED'), (window.c.start_at <= now, 'ONGOING'),
                   else_='SCHEDULED')
    due = sa.case((fate == 'SCHEDULED', window.c.start_at), (fate == 'ONGOING', window.c.end_at), else_=sa.null())
    op.execute(sa.update(window).values(occurrence_at=window.c.start_at, state=fate, due_at=due))
    spans = sa.select(window.c.maintenance_id, window.c.start_at, window.c.end_at).order_by(window.c.start_at.desc())
    for maintenance_id, start_at, end_at in op.get_bind().execute(spans).all():
        lasting = min(30 * 86_400, int((end_at - start_at).total_seconds()))
        op.execute(sa.update(plan).where(plan.c.id == maintenance_id).values(duration_s=lasting))
    with op.batch_alter_table('maintenance', table_kwargs=KEEP_IDS) as table:
        for name in ('exdates', 'reminders', 'notices'):
            table.alter_column(name, existing_type=sa.JSON(), nullable=False)
    with op.batch_alter_table('maintenance_window', table_kwargs=KEEP_IDS) as table:
        table.alter_column('occurrence_at', existing_type=Instant(), nullable=False)
        table.alter_column('state', existing_type=sa.String(length=24), nullable=False)
        # The new key first: MySQL needs one that begins with the foreign key's column at any time.
        table.create_unique_constraint(op.f('uq_maintenance_window_maintenance_id_occurrence_at'), ['maintenance_id', 'occurrence_at'])
        table.drop_constraint(op.f('uq_maintenance_window_maintenance_id_start_at'), type_='unique')
        table.create_index(op.f('ix_maintenance_window_state'), ['state'])
        table.drop_column('is_cancelled')
    op.create_table('maintenance_notice',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('window_id', sa.Integer(), nullable=False),
    sa.Column('notice_key', sa.String(length=64), nullable=False),
    sa.Column('at', Instant(), nullable=False),
    sa.ForeignKeyConstraint(['window_id'], ['maintenance_window.id'], name=op.f('fk_maintenance_notice_window_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_maintenance_notice')),
    sa.UniqueConstraint('window_id', 'notice_key', name=op.f('uq_maintenance_notice_window_id_notice_key')),
    sqlite_autoincrement=True
    )
    op.add_column('incident_update', sa.Column('also_affected', sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column('incident_update', 'also_affected')
    op.drop_table('maintenance_notice')
    with op.batch_alter_table('maintenance_window', table_kwargs=KEEP_IDS) as table:
        table.add_column(sa.Column('is_cancelled', sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute("UPDATE maintenance_window SET is_cancelled = (state = 'CANCELLED')")
    with op.batch_alter_table('maintenance_window', table_kwargs=KEEP_IDS) as table:
        table.create_unique_constraint(op.f('uq_maintenance_window_maintenance_id_start_at'), ['maintenance_id', 'start_at'])
        table.drop_constraint(op.f('uq_maintenance_window_maintenance_id_occurrence_at'), type_='unique')
        table.drop_index(op.f('ix_maintenance_window_state'))
        table.drop_index(op.f('ix_maintenance_window_due_at'))
        for name in ('version', 'due_at', 'state', 'occurrence_at'):
            table.drop_column(name)
    with op.batch_alter_table('maintenance', table_kwargs=KEEP_IDS) as table:
        table.drop_index(op.f('ix_maintenance_fill_at'))
        for name in ('fill_at', 'notices', 'reminders', 'exdates', 'timezone', 'rrule', 'duration_s', 'start_at', 'is_global', 'is_active'):
            table.drop_column(name)
    for name in ('page_monitor', 'page', 'secret', 'excluded_window', 'heartbeat_signal', 'group_member', 'monitor_parent', 'monitor_label'):
        op.drop_table(name)
    op.drop_column('sample', 'raw')
    for name in ('held', 'held_since', 'raw', 'anchor', 'fail_code', 'evaluated_until', 'manual_until', 'fail_at', 'run_started_ms'):
        op.drop_column('monitor_state', name)
    op.drop_index(op.f('ix_monitor_deleted_at'), 'monitor')
    for name in ('deleted_by', 'deleted_at', 'retry_delay_ms', 'retries', 'recovery_confirmations', 'failure_confirmations'):
        op.drop_column('monitor', name)
