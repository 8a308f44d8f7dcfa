"""Workers, the partitions that they hold, the trackers' states, and what could not be analysed."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

WORKER = """
CREATE TABLE worker (
    slot text PRIMARY KEY,
    worker_id uuid NOT NULL UNIQUE,
    log_id integer NOT NULL REFERENCES log,
    seen_at timestamptz NOT NULL DEFAULT now(),
    node text NOT NULL,
    pid integer NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE worker IS 'The workers: a slot is a logical place, its worker_id the incarnation that runs there.';
COMMENT ON COLUMN worker.worker_id IS 'Random; a newer incarnation in the slot replaces it and so ends all of its claims.';
COMMENT ON COLUMN worker.log_id IS 'The log that it reads.';
COMMENT ON COLUMN worker.seen_at IS 'When it last showed that it lives.';
COMMENT ON COLUMN worker.node IS 'Host name, for people.';
COMMENT ON COLUMN worker.pid IS 'Process id on that host, for people.';
"""

LOG_PARTITION = """
CREATE TABLE log_partition (
    log_id integer NOT NULL REFERENCES log,
    partition integer NOT NULL CHECK (partition >= 0),
    next_offset bigint NOT NULL CHECK (next_offset >= 0),
    epoch bigint NOT NULL DEFAULT 0,
    holder uuid,
    crashes integer NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (log_id, partition)
) WITH (fillfactor = 50);
COMMENT ON TABLE log_partition IS 'The position of each partition, and the claim that guards it.';
COMMENT ON COLUMN log_partition.next_offset IS 'First offset that is not analysed and stored.';
COMMENT ON COLUMN log_partition.epoch IS 'Grows with each claim.';
COMMENT ON COLUMN log_partition.holder IS 'worker_id of the claim; none: released.';
COMMENT ON COLUMN log_partition.crashes IS 'Claims in a row that were taken over without a commit.';
COMMENT ON COLUMN log_partition.updated_at IS 'When the position last moved.';
"""

CAMERA_STATE = """
CREATE TABLE camera_state (
    log_id integer NOT NULL,
    partition integer NOT NULL,
    camera_id uuid NOT NULL,
    state bytea NOT NULL,
    PRIMARY KEY (log_id, partition, camera_id),
    FOREIGN KEY (log_id, partition) REFERENCES log_partition
) WITH (fillfactor = 50);
COMMENT ON TABLE camera_state IS 'All that the next record of a camera depends on; gone when its session ends.';
COMMENT ON COLUMN camera_state.state IS 'The tracker''s state as pipeline/state.py writes it: boxes, times and sums, no pictures.';
"""

LOG_GAP = """
CREATE TABLE log_gap (
    log_id integer NOT NULL,
    partition integer NOT NULL,
    from_offset bigint NOT NULL,
    to_offset bigint NOT NULL CHECK (to_offset > from_offset),
    reason text NOT NULL,
    noticed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (log_id, partition, from_offset),
    FOREIGN KEY (log_id, partition) REFERENCES log_partition
);
COMMENT ON TABLE log_gap IS 'Offsets that were gone from the log before they were read.';
COMMENT ON COLUMN log_gap.to_offset IS 'First offset after the gap.';
"""

DEAD_LETTER = """
CREATE TABLE dead_letter (
    log_id integer NOT NULL,
    partition integer NOT NULL,
    log_offset bigint NOT NULL,
    reason text NOT NULL,
    camera_id uuid,
    session bigint,
    sequence bigint,
    captured_at timestamptz,
    noticed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (log_id, partition, log_offset, reason),
    FOREIGN KEY (log_id, partition) REFERENCES log_partition
);
COMMENT ON TABLE dead_letter IS 'Records, or the rest of one, that could not be analysed: reason and coordinates, never bytes.';
COMMENT ON COLUMN dead_letter.log_offset IS 'Its place in the partition.';
COMMENT ON COLUMN dead_letter.reason IS 'One of the fixed words under which it is counted.';
COMMENT ON COLUMN dead_letter.camera_id IS 'None: the header could not be read.';
COMMENT ON COLUMN dead_letter.captured_at IS 'Capture time of its first frame.';
"""


def upgrade() -> None:
    for statements in (WORKER, LOG_PARTITION, CAMERA_STATE, LOG_GAP, DEAD_LETTER):
        op.execute(statements)
