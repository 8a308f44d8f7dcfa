"""How much of each camera's video is decoded."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

DECODE = """
ALTER TABLE camera ADD COLUMN decode text NOT NULL DEFAULT 'all' CHECK (decode IN ('all', 'gated', 'keyframes'));
COMMENT ON COLUMN camera.decode IS 'How much of its video is decoded: all, gated (keyframes first), keyframes (nothing else).';
COMMENT ON COLUMN coverage.level IS
    'How the video was decoded, by the least of what was done in this minute: all, gated or keyframes; all where nothing was skipped.';
"""


def upgrade() -> None:
    op.execute(DECODE)
