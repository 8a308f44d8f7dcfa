"""Visits, partitioned by month, and coverage with its counters."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

VISIT = """
CREATE TABLE visit (
    visit_id uuid NOT NULL,
    camera_id uuid NOT NULL,
    session bigint NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    age real CHECK (age BETWEEN 0 AND 100),
    age_low real CHECK (age_low BETWEEN 0 AND 100),
    age_high real CHECK (age_high BETWEEN 0 AND 100),
    age_band text NOT NULL CHECK (age_band IN ('0-2', '3-9', '10-19', '20-29', '30-39', '40-49', '50-59', '60-69', '70+', 'unknown')),
    band_probs real[] CHECK (cardinality(band_probs) = 9),
    p_female real CHECK (p_female BETWEEN 0 AND 1),
    gender text NOT NULL CHECK (gender IN ('female', 'male', 'unknown')),
    observations integer NOT NULL CHECK (observations >= 0),
    detections integer NOT NULL CHECK (detections > 0),
    quality real NOT NULL CHECK (quality BETWEEN 0 AND 1),
    first_box integer[] NOT NULL CHECK (cardinality(first_box) = 4),
    last_box integer[] NOT NULL CHECK (cardinality(last_box) = 4),
    model text NOT NULL,
    detector text NOT NULL,
    PRIMARY KEY (visit_id, started_at),
    CHECK (ended_at >= started_at),
    CHECK (age_low <= age_high)
) PARTITION BY RANGE (started_at);
CREATE INDEX visit_camera_id_started_at_idx ON visit (camera_id, started_at);
CREATE TABLE visit_default PARTITION OF visit DEFAULT;
COMMENT ON TABLE visit IS 'A face seen: a finished, confirmed track. Neither a footfall nor a unique person; age and gender are apparent.';
COMMENT ON TABLE visit_default IS 'Visits of months that have no partition of their own.';
COMMENT ON COLUMN visit.visit_id IS 'UUID version 5 of where and when the track was born: the same in every run.';
COMMENT ON COLUMN visit.camera_id IS 'Deliberately no foreign key: a log may be read into a database that does not know the camera.';
COMMENT ON COLUMN visit.started_at IS 'First sight, by the stream''s time.';
COMMENT ON COLUMN visit.ended_at IS 'Last sight.';
COMMENT ON COLUMN visit.age IS 'Years; none: no crop was good enough.';
COMMENT ON COLUMN visit.age_low IS '10th percentile of the fused distribution, years.';
COMMENT ON COLUMN visit.age_high IS '90th percentile, years.';
COMMENT ON COLUMN visit.age_band IS 'The likeliest band, or unknown.';
COMMENT ON COLUMN visit.band_probs IS 'Probabilities of 0-2, 3-9, 10-19, 20-29, 30-39, 40-49, 50-59, 60-69, 70+.';
COMMENT ON COLUMN visit.p_female IS 'Probability, 0 to 1.';
COMMENT ON COLUMN visit.gender IS 'female, male, or unknown where p_female is undecided.';
COMMENT ON COLUMN visit.observations IS 'Crops that were classified.';
COMMENT ON COLUMN visit.detections IS 'Frames in which the face was found.';
COMMENT ON COLUMN visit.quality IS 'Of the best crop, 0 to 1.';
COMMENT ON COLUMN visit.first_box IS 'Left, top, right, bottom at first sight, pixels.';
COMMENT ON COLUMN visit.last_box IS 'The same at last sight.';
COMMENT ON COLUMN visit.model IS 'Name and version of the age and gender model, with its crop recipe.';
COMMENT ON COLUMN visit.detector IS 'Name and version of the face detector.';
"""

COVERAGE = """
CREATE TABLE coverage (
    camera_id uuid NOT NULL,
    minute timestamptz NOT NULL CHECK (date_trunc('minute', minute, 'UTC') = minute),
    seconds bit(60) NOT NULL,
    level text NOT NULL CHECK (level IN ('all', 'gated', 'keyframes')),
    segments bigint NOT NULL DEFAULT 0,
    frames_decoded bigint NOT NULL DEFAULT 0,
    frames_analysed bigint NOT NULL DEFAULT 0,
    detections bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (camera_id, minute)
) WITH (fillfactor = 50);
COMMENT ON TABLE coverage IS 'What was really observed of each camera in each minute: a minute without a row was not observed at all.';
COMMENT ON COLUMN coverage.seconds IS 'get_bit(seconds, s) is 1 when the middle of second s was observed.';
COMMENT ON COLUMN coverage.level IS 'How the video was decoded.';
COMMENT ON COLUMN coverage.segments IS 'Log records whose capture began in this minute.';
"""

COVERAGE_REJECT = """
CREATE TABLE coverage_reject (
    camera_id uuid NOT NULL,
    minute timestamptz NOT NULL,
    reason text NOT NULL,
    n bigint NOT NULL,
    PRIMARY KEY (camera_id, minute, reason),
    FOREIGN KEY (camera_id, minute) REFERENCES coverage
);
COMMENT ON TABLE coverage_reject IS 'What was seen in a minute and not counted, by reason.';
COMMENT ON COLUMN coverage_reject.n IS 'How many.';
"""


def upgrade() -> None:
    for statements in (VISIT, COVERAGE, COVERAGE_REJECT):
        op.execute(statements)
