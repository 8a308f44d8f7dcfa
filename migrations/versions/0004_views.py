"""Two views for analysts: visits with names and local time, coverage as seconds."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

VISITS = """
CREATE VIEW visits AS
SELECT s.name AS site,
       c.name AS camera,
       v.started_at AT TIME ZONE s.time_zone AS started_local,
       v.started_at,
       v.ended_at,
       EXTRACT(EPOCH FROM v.ended_at - v.started_at)::double precision AS dwell_s,
       v.age, v.age_low, v.age_high, v.age_band,
       v.gender, v.p_female,
       v.observations, v.quality,
       v.model, v.detector,
       v.visit_id, v.camera_id
FROM visit v LEFT JOIN camera c USING (camera_id) LEFT JOIN site s USING (site_id);
COMMENT ON VIEW visits IS 'One row a visit, with the names of site and camera, and when it began on the clock of the site.';
COMMENT ON COLUMN visits.started_local IS 'First sight in the site''s time zone.';
COMMENT ON COLUMN visits.dwell_s IS 'Seconds from first to last sight.';
"""

COVERAGE_BY_MINUTE = """
CREATE VIEW coverage_by_minute AS
SELECT s.name AS site,
       c.name AS camera,
       o.minute AT TIME ZONE s.time_zone AS minute_local,
       o.minute,
       bit_count(o.seconds)::integer AS seconds_observed,
       o.level,
       o.segments, o.frames_decoded, o.frames_analysed, o.detections,
       o.camera_id
FROM coverage o LEFT JOIN camera c USING (camera_id) LEFT JOIN site s USING (site_id);
COMMENT ON VIEW coverage_by_minute IS 'How many seconds of each minute were observed, 0 to 60; a missing minute was not observed.';
COMMENT ON COLUMN coverage_by_minute.minute_local IS 'The minute in the site''s time zone.';
"""


def upgrade() -> None:
    for statement in (VISITS, COVERAGE_BY_MINUTE):
        op.execute(statement)
