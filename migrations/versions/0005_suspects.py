"""Which record was open when a holder of a partition died, so that one that kills is not opened for ever."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SUSPECT = """
ALTER TABLE log_partition ADD COLUMN suspect_offset bigint, ADD COLUMN suspect_count integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN log_partition.crashes IS
    'Claims in a row that were taken over without a commit; from 3 on records are opened one by one, until enough of them went well.';
COMMENT ON COLUMN log_partition.suspect_offset IS 'The record that was opened last, written down before; none: it is stored.';
COMMENT ON COLUMN log_partition.suspect_count IS 'Claims that opened it and did not live to store it; at 3 it is set aside unopened.';
"""


def upgrade() -> None:
    op.execute(SUSPECT)
