"""The outbox: channels that are switched off, and every attempt at a delivery"""

import sqlalchemy as sa
from alembic import op

from kener.db import Instant


revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None

KEEP_IDS = {'sqlite_autoincrement': True}


def upgrade() -> None:
    with op.batch_alter_table('trigger_channel', table_kwargs=KEEP_IDS) as table:
        table.add_column(sa.Column('failures', sa.Integer(), nullable=False, server_default='0'))
        table.add_column(sa.Column('failing_since', Instant(), nullable=True))
        table.add_column(sa.Column('failed_at', Instant(), nullable=True))
        table.add_column(sa.Column('switched_off_at', Instant(), nullable=True))
        table.add_column(sa.Column('switched_off_because', sa.String(length=500), nullable=True))
        table.add_column(sa.Column('tell_at', Instant(), nullable=True))
    op.create_table('delivery_attempt',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('delivery_id', sa.Integer(), nullable=False),
    sa.Column('at', Instant(), nullable=False),
    sa.Column('duration_ms', sa.Integer(), nullable=False),
    sa.Column('has_arrived', sa.Boolean(), nullable=False),
    sa.Column('answer', sa.String(length=500), nullable=False),
    sa.ForeignKeyConstraint(['delivery_id'], ['delivery.id'], name=op.f('fk_delivery_attempt_delivery_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_delivery_attempt')),
    sqlite_autoincrement=True
    )
    op.create_index(op.f('ix_delivery_attempt_delivery_id'), 'delivery_attempt', ['delivery_id'])


def downgrade() -> None:
    op.drop_table('delivery_attempt')
    with op.batch_alter_table('trigger_channel', table_kwargs=KEEP_IDS) as table:
        for column in ('tell_at', 'switched_off_because', 'switched_off_at', 'failed_at', 'failing_since', 'failures'):
            table.drop_column(column)
