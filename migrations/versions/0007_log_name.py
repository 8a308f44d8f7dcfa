"""Under which name a log is found, so that one that was made anew under it is known to follow another."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

NAME = """
ALTER TABLE log ADD COLUMN name text;
COMMENT ON COLUMN log.name IS 'kafka:<cluster>/<topic>: of the logs with the same name only the latest lives; none: it has no name.';
"""


def upgrade() -> None:
    op.execute(NAME)
