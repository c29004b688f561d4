"""Subscribers: what they chose, how they confirm it, and what they were told"""

import sqlalchemy as sa
from alembic import op

from kener.db import Instant


revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('subscriber',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('channel', sa.String(length=24), nullable=False),
    sa.Column('address', sa.String(length=255), nullable=False),
    sa.Column('address_hash', sa.String(length=64), nullable=False),
    sa.Column('sealed', sa.Text(), nullable=True),
    sa.Column('state', sa.String(length=24), nullable=False),
    sa.Column('everything', sa.Boolean(), nullable=False),
    sa.Column('incidents', sa.Boolean(), nullable=False),
    sa.Column('maintenance', sa.Boolean(), nullable=False),
    sa.Column('least_impact', sa.String(length=24), nullable=False),
    sa.Column('language', sa.String(length=16), nullable=False),
    sa.Column('zone', sa.String(length=64), nullable=False),
    sa.Column('token_version', sa.Integer(), nullable=False),
    sa.Column('created_by', sa.String(length=255), nullable=True),
    sa.Column('created_at', Instant(), nullable=False),
    sa.Column('confirmed_at', Instant(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_subscriber')),
    sa.UniqueConstraint('address_hash', name=op.f('uq_subscriber_address_hash')),
    sqlite_autoincrement=True
    )
    op.create_index(op.f('ix_subscriber_address'), 'subscriber', ['address'])
    op.create_index('ix_subscriber_state', 'subscriber', ['state'])
    op.create_table('confirmation',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('subscriber_id', sa.Integer(), nullable=False),
    sa.Column('ref', sa.String(length=64), nullable=False),
    sa.Column('choices', sa.JSON(), nullable=False),
    sa.Column('link_hash', sa.String(length=64), nullable=True),
    sa.Column('link_until', Instant(), nullable=True),
    sa.Column('code_hash', sa.String(length=64), nullable=True),
    sa.Column('code_until', Instant(), nullable=True),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('state', sa.String(length=24), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('next_at', Instant(), nullable=False),
    sa.Column('lease_until', Instant(), nullable=True),
    sa.Column('answer', sa.String(length=500), nullable=True),
    sa.Column('created_at', Instant(), nullable=False),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscriber.id'], name=op.f('fk_confirmation_subscriber_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_confirmation')),
    sa.UniqueConstraint('link_hash', name=op.f('uq_confirmation_link_hash')),
    sa.UniqueConstraint('ref', name=op.f('uq_confirmation_ref')),
    sqlite_autoincrement=True
    )
    op.create_index(op.f('ix_confirmation_created_at'), 'confirmation', ['created_at'])
    op.create_index('ix_confirmation_state_next_at', 'confirmation', ['state', 'next_at'])
    op.create_index(op.f('ix_confirmation_subscriber_id'), 'confirmation', ['subscriber_id'])
    op.create_table('subscription',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('subscriber_id', sa.Integer(), nullable=False),
    sa.Column('page_id', sa.Integer(), nullable=True),
    sa.Column('monitor_id', sa.Integer(), nullable=True),
    sa.Column('incident_id', sa.Integer(), nullable=True),
    sa.Column('created_at', Instant(), nullable=False),
    sa.ForeignKeyConstraint(['incident_id'], ['incident.id'], name=op.f('fk_subscription_incident_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['monitor_id'], ['monitor.id'], name=op.f('fk_subscription_monitor_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['page_id'], ['page.id'], name=op.f('fk_subscription_page_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscriber.id'], name=op.f('fk_subscription_subscriber_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_subscription')),
    sqlite_autoincrement=True
    )
    op.create_index(op.f('ix_subscription_incident_id'), 'subscription', ['incident_id'])
    op.create_index(op.f('ix_subscription_monitor_id'), 'subscription', ['monitor_id'])
    op.create_index(op.f('ix_subscription_page_id'), 'subscription', ['page_id'])
    op.create_index(op.f('ix_subscription_subscriber_id'), 'subscription', ['subscriber_id'])
    op.create_table('notice',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('notice_key', sa.String(length=128), nullable=False),
    sa.Column('kind', sa.String(length=24), nullable=False),
    sa.Column('event', sa.String(length=24), nullable=False),
    sa.Column('incident_id', sa.Integer(), nullable=True),
    sa.Column('update_id', sa.Integer(), nullable=True),
    sa.Column('maintenance_id', sa.Integer(), nullable=True),
    sa.Column('window_id', sa.Integer(), nullable=True),
    sa.Column('message', sa.JSON(), nullable=False),
    sa.Column('created_at', Instant(), nullable=False),
    sa.ForeignKeyConstraint(['incident_id'], ['incident.id'], name=op.f('fk_notice_incident_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['maintenance_id'], ['maintenance.id'], name=op.f('fk_notice_maintenance_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['update_id'], ['incident_update.id'], name=op.f('fk_notice_update_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['window_id'], ['maintenance_window.id'], name=op.f('fk_notice_window_id'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_notice')),
    sa.UniqueConstraint('notice_key', name=op.f('uq_notice_notice_key')),
    sqlite_autoincrement=True
    )
    op.create_index(op.f('ix_notice_created_at'), 'notice', ['created_at'])
    op.create_index(op.f('ix_notice_incident_id'), 'notice', ['incident_id'])
    op.create_index(op.f('ix_notice_maintenance_id'), 'notice', ['maintenance_id'])
    op.create_index(op.f('ix_notice_update_id'), 'notice', ['update_id'])
    op.create_index(op.f('ix_notice_window_id'), 'notice', ['window_id'])
    op.create_table('notice_delivery',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('notice_id', sa.Integer(), nullable=False),
    sa.Column('subscriber_id', sa.Integer(), nullable=True),
    sa.Column('state', sa.String(length=24), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('next_at', Instant(), nullable=False),
    sa.Column('claim', sa.String(length=32), nullable=True),
    sa.Column('answer', sa.String(length=500), nullable=True),
    sa.Column('sent_at', Instant(), nullable=True),
    sa.ForeignKeyConstraint(['notice_id'], ['notice.id'], name=op.f('fk_notice_delivery_notice_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscriber.id'], name=op.f('fk_notice_delivery_subscriber_id'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_notice_delivery')),
    sa.UniqueConstraint('notice_id', 'subscriber_id', name=op.f('uq_notice_delivery_notice_id_subscriber_id')),
    sqlite_autoincrement=True
    )
    op.create_index(op.f('ix_notice_delivery_claim'), 'notice_delivery', ['claim'])
    op.create_index('ix_notice_delivery_notice_id_state', 'notice_delivery', ['notice_id', 'state'])
    op.create_index('ix_notice_delivery_state_next_at', 'notice_delivery', ['state', 'next_at'])
    op.create_index(op.f('ix_notice_delivery_subscriber_id'), 'notice_delivery', ['subscriber_id'])


def downgrade() -> None:
    for name in ('notice_delivery', 'notice', 'subscription', 'confirmation', 'subscriber'):
        op.drop_table(name)
