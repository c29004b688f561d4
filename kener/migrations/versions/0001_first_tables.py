"""First tables"""

import sqlalchemy as sa
from alembic import op

from kener.db import Instant


revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('account',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('email', sa.String(length=255), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('role', sa.String(length=24), nullable=False),
    sa.Column('password_hash', sa.String(length=255), nullable=False),
    sa.Column('is_active', sa.Boolean(), nullable=False),
    sa.Column('created_at', Instant(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_account')),
    sa.UniqueConstraint('email', name=op.f('uq_account_email')),
    sqlite_autoincrement=True
    )
    op.create_table('alert_configuration',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('alert_for', sa.String(length=24), nullable=False),
    sa.Column('alert_value', sa.String(length=32), nullable=False),
    sa.Column('uptime_window', sa.String(length=8), nullable=False),
    sa.Column('failure_threshold', sa.Integer(), nullable=False),
    sa.Column('success_threshold', sa.Integer(), nullable=False),
    sa.Column('severity', sa.String(length=24), nullable=False),
    sa.Column('create_incident', sa.Boolean(), nullable=False),
    sa.Column('is_active', sa.Boolean(), nullable=False),
    sa.Column('alert_description', sa.Text(), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_at', Instant(), nullable=False),
    sa.Column('updated_at', Instant(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_alert_configuration')),
    sqlite_autoincrement=True
    )
    op.create_table('api_key',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('prefix', sa.String(length=16), nullable=False),
    sa.Column('token_hash', sa.String(length=64), nullable=False),
    sa.Column('is_active', sa.Boolean(), nullable=False),
    sa.Column('created_by', sa.String(length=255), nullable=True),
    sa.Column('created_at', Instant(), nullable=False),
    sa.Column('used_at', Instant(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_api_key')),
    sa.UniqueConstraint('name', name=op.f('uq_api_key_name')),
    sa.UniqueConstraint('token_hash', name=op.f('uq_api_key_token_hash')),
    sqlite_autoincrement=True
    )
    op.create_table('audit_entry',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('at', Instant(), nullable=False),
    sa.Column('actor', sa.String(length=255), nullable=False),
    sa.Column('action', sa.String(length=64), nullable=False),
    sa.Column('about', sa.String(length=64), nullable=False),
    sa.Column('detail', sa.String(length=500), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_audit_entry')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('audit_entry', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_audit_entry_about'), ['about'], unique=False)
        batch_op.create_index(batch_op.f('ix_audit_entry_at'), ['at'], unique=False)

    op.create_table('incident',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('title', sa.String(length=512), nullable=False),
    sa.Column('source', sa.String(length=24), nullable=False),
    sa.Column('state', sa.String(length=24), nullable=False),
    sa.Column('status', sa.String(length=8), nullable=False),
    sa.Column('start_at', Instant(), nullable=False),
    sa.Column('end_at', Instant(), nullable=True),
    sa.Column('is_private', sa.Boolean(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_by', sa.String(length=255), nullable=True),
    sa.Column('created_at', Instant(), nullable=False),
    sa.Column('updated_at', Instant(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_incident')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('incident', schema=None) as batch_op:
        batch_op.create_index('ix_incident_start_at', ['start_at'], unique=False)
        batch_op.create_index('ix_incident_status', ['status'], unique=False)

    op.create_table('maintenance',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('title', sa.String(length=255), nullable=False),
    sa.Column('description', sa.Text(), nullable=False),
    sa.Column('is_private', sa.Boolean(), nullable=False),
    sa.Column('created_by', sa.String(length=255), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_at', Instant(), nullable=False),
    sa.Column('updated_at', Instant(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_maintenance')),
    sqlite_autoincrement=True
    )
    op.create_table('monitor',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('tag', sa.String(length=255), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.Text(), nullable=True),
    sa.Column('image', sa.String(length=1024), nullable=True),
    sa.Column('external_url', sa.String(length=2048), nullable=True),
    sa.Column('category_name', sa.String(length=255), nullable=False),
    sa.Column('monitor_type', sa.String(length=24), nullable=False),
    sa.Column('type_data', sa.JSON(), nullable=False),
    sa.Column('heartbeat_hash', sa.String(length=64), nullable=True),
    sa.Column('interval_seconds', sa.Integer(), nullable=True),
    sa.Column('cron', sa.String(length=255), nullable=True),
    sa.Column('default_status', sa.String(length=24), nullable=False),
    sa.Column('is_active', sa.Boolean(), nullable=False),
    sa.Column('is_hidden', sa.Boolean(), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_at', Instant(), nullable=False),
    sa.Column('updated_at', Instant(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_monitor')),
    sa.UniqueConstraint('tag', name=op.f('uq_monitor_tag')),
    sqlite_autoincrement=True
    )
    op.create_table('setting',
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('value', sa.JSON(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_setting'))
    )
    op.create_table('trigger_channel',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('trigger_type', sa.String(length=24), nullable=False),
    sa.Column('description', sa.Text(), nullable=True),
    sa.Column('is_active', sa.Boolean(), nullable=False),
    sa.Column('public', sa.JSON(), nullable=False),
    sa.Column('secret', sa.Text(), nullable=True),
    sa.Column('secret_set_at', Instant(), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('created_at', Instant(), nullable=False),
    sa.Column('updated_at', Instant(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_trigger_channel')),
    sa.UniqueConstraint('name', name=op.f('uq_trigger_channel_name')),
    sqlite_autoincrement=True
    )
    op.create_table('affected_monitor',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('incident_id', sa.Integer(), nullable=False),
    sa.Column('monitor_id', sa.Integer(), nullable=True),
    sa.Column('monitor_tag', sa.String(length=255), nullable=False),
    sa.Column('monitor_name', sa.String(length=255), nullable=False),
    sa.Column('impact', sa.String(length=24), nullable=False),
    sa.Column('ended_at', Instant(), nullable=True),
    sa.ForeignKeyConstraint(['incident_id'], ['incident.id'], name=op.f('fk_affected_monitor_incident_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['monitor_id'], ['monitor.id'], name=op.f('fk_affected_monitor_monitor_id'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_affected_monitor')),
    sa.UniqueConstraint('incident_id', 'monitor_tag', name=op.f('uq_affected_monitor_incident_id_monitor_tag')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('affected_monitor', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_affected_monitor_monitor_id'), ['monitor_id'], unique=False)

    op.create_table('alert',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('config_id', sa.Integer(), nullable=True),
    sa.Column('monitor_id', sa.Integer(), nullable=True),
    sa.Column('incident_id', sa.Integer(), nullable=True),
    sa.Column('active_key', sa.String(length=48), nullable=True),
    sa.Column('alert_status', sa.String(length=24), nullable=False),
    sa.Column('monitor_tag', sa.String(length=255), nullable=False),
    sa.Column('monitor_name', sa.String(length=255), nullable=False),
    sa.Column('rule', sa.JSON(), nullable=False),
    sa.Column('triggered_at', Instant(), nullable=False),
    sa.Column('resolved_at', Instant(), nullable=True),
    sa.Column('observed_value', sa.String(length=64), nullable=True),
    sa.Column('last_error', sa.String(length=500), nullable=True),
    sa.Column('closing_reason', sa.String(length=255), nullable=True),
    sa.Column('incident_note', sa.String(length=255), nullable=True),
    sa.ForeignKeyConstraint(['config_id'], ['alert_configuration.id'], name=op.f('fk_alert_config_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['incident_id'], ['incident.id'], name=op.f('fk_alert_incident_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['monitor_id'], ['monitor.id'], name=op.f('fk_alert_monitor_id'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_alert')),
    sa.UniqueConstraint('active_key', name=op.f('uq_alert_active_key')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('alert', schema=None) as batch_op:
        batch_op.create_index('ix_alert_config_id_triggered_at', ['config_id', 'triggered_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_alert_incident_id'), ['incident_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_alert_monitor_id'), ['monitor_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_alert_triggered_at'), ['triggered_at'], unique=False)

    op.create_table('alert_configuration_monitor',
    sa.Column('config_id', sa.Integer(), nullable=False),
    sa.Column('monitor_id', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['config_id'], ['alert_configuration.id'], name=op.f('fk_alert_configuration_monitor_config_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['monitor_id'], ['monitor.id'], name=op.f('fk_alert_configuration_monitor_monitor_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('config_id', 'monitor_id', name=op.f('pk_alert_configuration_monitor'))
    )
    with op.batch_alter_table('alert_configuration_monitor', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_alert_configuration_monitor_monitor_id'), ['monitor_id'], unique=False)

    op.create_table('alert_configuration_trigger',
    sa.Column('config_id', sa.Integer(), nullable=False),
    sa.Column('trigger_id', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['config_id'], ['alert_configuration.id'], name=op.f('fk_alert_configuration_trigger_config_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['trigger_id'], ['trigger_channel.id'], name=op.f('fk_alert_configuration_trigger_trigger_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('config_id', 'trigger_id', name=op.f('pk_alert_configuration_trigger'))
    )
    with op.batch_alter_table('alert_configuration_trigger', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_alert_configuration_trigger_trigger_id'), ['trigger_id'], unique=False)

    op.create_table('daily',
    sa.Column('monitor_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('up_s', sa.Integer(), nullable=False),
    sa.Column('degraded_s', sa.Integer(), nullable=False),
    sa.Column('down_s', sa.Integer(), nullable=False),
    sa.Column('samples', sa.Integer(), nullable=False),
    sa.Column('latency_n', sa.Integer(), nullable=False),
    sa.Column('latency_sum', sa.BigInteger(), nullable=False),
    sa.Column('latency_min', sa.Integer(), nullable=True),
    sa.Column('latency_max', sa.Integer(), nullable=True),
    sa.ForeignKeyConstraint(['monitor_id'], ['monitor.id'], name=op.f('fk_daily_monitor_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('monitor_id', 'day', name=op.f('pk_daily')),
    sqlite_with_rowid=False
    )
    op.create_table('hourly',
    sa.Column('monitor_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('hour', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('up_s', sa.Integer(), nullable=False),
    sa.Column('degraded_s', sa.Integer(), nullable=False),
    sa.Column('down_s', sa.Integer(), nullable=False),
    sa.Column('samples', sa.Integer(), nullable=False),
    sa.Column('latency_n', sa.Integer(), nullable=False),
    sa.Column('latency_sum', sa.BigInteger(), nullable=False),
    sa.Column('latency_min', sa.Integer(), nullable=True),
    sa.Column('latency_max', sa.Integer(), nullable=True),
    sa.ForeignKeyConstraint(['monitor_id'], ['monitor.id'], name=op.f('fk_hourly_monitor_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('monitor_id', 'hour', name=op.f('pk_hourly')),
    sqlite_with_rowid=False
    )
    op.create_table('incident_update',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('incident_id', sa.Integer(), nullable=False),
    sa.Column('state', sa.String(length=24), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('at', Instant(), nullable=False),
    sa.Column('is_automatic', sa.Boolean(), nullable=False),
    sa.Column('author', sa.String(length=255), nullable=True),
    sa.Column('created_at', Instant(), nullable=False),
    sa.Column('updated_at', Instant(), nullable=False),
    sa.ForeignKeyConstraint(['incident_id'], ['incident.id'], name=op.f('fk_incident_update_incident_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_incident_update')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('incident_update', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_incident_update_at'), ['at'], unique=False)
        batch_op.create_index('ix_incident_update_incident_id_at', ['incident_id', 'at'], unique=False)

    op.create_table('maintenance_monitor',
    sa.Column('maintenance_id', sa.Integer(), nullable=False),
    sa.Column('monitor_id', sa.Integer(), nullable=False),
    sa.Column('impact', sa.String(length=24), nullable=False),
    sa.ForeignKeyConstraint(['maintenance_id'], ['maintenance.id'], name=op.f('fk_maintenance_monitor_maintenance_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['monitor_id'], ['monitor.id'], name=op.f('fk_maintenance_monitor_monitor_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('maintenance_id', 'monitor_id', name=op.f('pk_maintenance_monitor'))
    )
    with op.batch_alter_table('maintenance_monitor', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_maintenance_monitor_monitor_id'), ['monitor_id'], unique=False)

    op.create_table('maintenance_window',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('maintenance_id', sa.Integer(), nullable=False),
    sa.Column('start_at', Instant(), nullable=False),
    sa.Column('end_at', Instant(), nullable=False),
    sa.Column('is_cancelled', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['maintenance_id'], ['maintenance.id'], name=op.f('fk_maintenance_window_maintenance_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_maintenance_window')),
    sa.UniqueConstraint('maintenance_id', 'start_at', name=op.f('uq_maintenance_window_maintenance_id_start_at')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('maintenance_window', schema=None) as batch_op:
        batch_op.create_index('ix_maintenance_window_end_at', ['end_at'], unique=False)

    op.create_table('monitor_state',
    sa.Column('monitor_id', sa.Integer(), nullable=False),
    sa.Column('due_at', sa.BigInteger(), nullable=True),
    sa.Column('slot', sa.BigInteger(), nullable=True),
    sa.Column('claimed_at', sa.BigInteger(), nullable=True),
    sa.Column('slow', sa.Boolean(), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=True),
    sa.Column('status', sa.SmallInteger(), nullable=False),
    sa.Column('span_s', sa.Integer(), nullable=False),
    sa.Column('latency_ms', sa.Integer(), nullable=True),
    sa.Column('error', sa.String(length=500), nullable=True),
    sa.Column('since', sa.BigInteger(), nullable=True),
    sa.Column('lateness_ms', sa.Integer(), nullable=True),
    sa.Column('beat_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['monitor_id'], ['monitor.id'], name=op.f('fk_monitor_state_monitor_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('monitor_id', name=op.f('pk_monitor_state'))
    )
    with op.batch_alter_table('monitor_state', schema=None) as batch_op:
        batch_op.create_index('ix_monitor_state_claimed_at', ['claimed_at'], unique=False)
        batch_op.create_index('ix_monitor_state_due_at', ['due_at'], unique=False)

    op.create_table('sample',
    sa.Column('monitor_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('at', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('status', sa.SmallInteger(), nullable=False),
    sa.Column('latency_ms', sa.Integer(), nullable=True),
    sa.Column('span_s', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['monitor_id'], ['monitor.id'], name=op.f('fk_sample_monitor_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('monitor_id', 'at', name=op.f('pk_sample')),
    sqlite_with_rowid=False
    )
    op.create_table('sample_note',
    sa.Column('monitor_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('at', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('error', sa.String(length=500), nullable=True),
    sa.Column('source', sa.String(length=16), nullable=False),
    sa.ForeignKeyConstraint(['monitor_id'], ['monitor.id'], name=op.f('fk_sample_note_monitor_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('monitor_id', 'at', name=op.f('pk_sample_note')),
    sqlite_with_rowid=False
    )
    op.create_table('streak',
    sa.Column('config_id', sa.Integer(), nullable=False),
    sa.Column('monitor_id', sa.Integer(), nullable=False),
    sa.Column('failing', sa.Integer(), nullable=False),
    sa.Column('passing', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['config_id'], ['alert_configuration.id'], name=op.f('fk_streak_config_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['monitor_id'], ['monitor.id'], name=op.f('fk_streak_monitor_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('config_id', 'monitor_id', name=op.f('pk_streak'))
    )
    with op.batch_alter_table('streak', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_streak_monitor_id'), ['monitor_id'], unique=False)

    op.create_table('user_session',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('user_id', sa.Integer(), nullable=False),
    sa.Column('token_hash', sa.String(length=64), nullable=False),
    sa.Column('user_agent', sa.String(length=255), nullable=False),
    sa.Column('address', sa.String(length=64), nullable=False),
    sa.Column('created_at', Instant(), nullable=False),
    sa.Column('seen_at', Instant(), nullable=False),
    sa.Column('expires_at', Instant(), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['account.id'], name=op.f('fk_user_session_user_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_user_session')),
    sa.UniqueConstraint('token_hash', name=op.f('uq_user_session_token_hash')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('user_session', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_user_session_user_id'), ['user_id'], unique=False)

    op.create_table('decision',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('config_id', sa.Integer(), nullable=True),
    sa.Column('monitor_id', sa.Integer(), nullable=True),
    sa.Column('alert_id', sa.Integer(), nullable=True),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('outcome', sa.String(length=24), nullable=False),
    sa.Column('verdict', sa.String(length=16), nullable=False),
    sa.Column('failing', sa.Integer(), nullable=False),
    sa.Column('passing', sa.Integer(), nullable=False),
    sa.Column('observed', sa.String(length=64), nullable=False),
    sa.Column('reason', sa.String(length=255), nullable=False),
    sa.Column('rule', sa.JSON(), nullable=False),
    sa.Column('samples', sa.JSON(), nullable=False),
    sa.Column('created_at', Instant(), nullable=False),
    sa.ForeignKeyConstraint(['alert_id'], ['alert.id'], name=op.f('fk_decision_alert_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['config_id'], ['alert_configuration.id'], name=op.f('fk_decision_config_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['monitor_id'], ['monitor.id'], name=op.f('fk_decision_monitor_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_decision')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('decision', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_decision_alert_id'), ['alert_id'], unique=False)
        batch_op.create_index('ix_decision_at', ['at'], unique=False)
        batch_op.create_index('ix_decision_config_id_monitor_id_at', ['config_id', 'monitor_id', 'at'], unique=False)
        batch_op.create_index(batch_op.f('ix_decision_monitor_id'), ['monitor_id'], unique=False)

    op.create_table('delivery',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('event', sa.String(length=24), nullable=False),
    sa.Column('story', sa.String(length=48), nullable=False),
    sa.Column('trigger_id', sa.Integer(), nullable=True),
    sa.Column('trigger_name', sa.String(length=255), nullable=False),
    sa.Column('alert_id', sa.Integer(), nullable=True),
    sa.Column('incident_id', sa.Integer(), nullable=True),
    sa.Column('message', sa.JSON(), nullable=False),
    sa.Column('state', sa.String(length=24), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('next_at', Instant(), nullable=False),
    sa.Column('lease_until', Instant(), nullable=True),
    sa.Column('answer', sa.String(length=500), nullable=True),
    sa.Column('created_at', Instant(), nullable=False),
    sa.Column('sent_at', Instant(), nullable=True),
    sa.ForeignKeyConstraint(['alert_id'], ['alert.id'], name=op.f('fk_delivery_alert_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['incident_id'], ['incident.id'], name=op.f('fk_delivery_incident_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['trigger_id'], ['trigger_channel.id'], name=op.f('fk_delivery_trigger_id'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_delivery')),
    sa.UniqueConstraint('uid', name=op.f('uq_delivery_uid')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('delivery', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_delivery_alert_id'), ['alert_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_delivery_created_at'), ['created_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_delivery_incident_id'), ['incident_id'], unique=False)
        batch_op.create_index('ix_delivery_state_next_at', ['state', 'next_at'], unique=False)
        batch_op.create_index('ix_delivery_trigger_id_story', ['trigger_id', 'story'], unique=False)



def downgrade() -> None:
    for table in (
        'delivery',
        'decision',
        'user_session',
        'streak',
        'sample_note',
        'sample',
        'monitor_state',
        'maintenance_window',
        'maintenance_monitor',
        'incident_update',
        'hourly',
        'daily',
        'alert_configuration_trigger',
        'alert_configuration_monitor',
        'alert',
        'affected_monitor',
        'trigger_channel',
        'setting',
        'monitor',
        'maintenance',
        'incident',
        'audit_entry',
        'api_key',
        'alert_configuration',
        'account',
    ):
        op.drop_table(table)
