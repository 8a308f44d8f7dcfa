"""What a run found, as one JSON document (docs/run.schema.json) and as tables for people."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich import box
from rich.markup import escape
from rich.table import Table

from pipeline.stages.track import Verdict
from pipeline.types import AGE_BANDS, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from rich.console import Console

    from pipeline.adapters.postgres.report import Totals
    from pipeline.stages.fuse import Fused
    from pipeline.types import Camera, Visit

_LONGEST_TABLE = 40
_OF_TRACKS = frozenset(Verdict)
_GENDERS = ("female", "male", UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What was committed for the sessions of one run."""

    cameras: Sequence[tuple[Camera, str]]  # with the redacted address of its source
    visits: Sequence[Visit]
    totals: Totals
    kept: bool  # whether the rows stay when the run has ended
    elapsed_s: float = 0.0
    new_frames: int = 0  # analysed by this run; 0: its sources were known already

    def document(self) -> dict[str, Any]:
        """Return the JSON document."""
        names = self._names()
        return {
            "cameras": [
                {"camera": camera.name, "camera_id": str(camera.camera_id), "site": camera.site, "source": source}
                for camera, source in self.cameras
            ],
            "visits": [{"camera": names[visit.camera_id], **visit_object(visit)} for visit in self.visits],
            "totals": {
                "visits": len(self.visits),
                "segments": self.totals.segments,
                "frames_decoded": self.totals.frames_decoded,
                "frames_analysed": self.totals.frames_analysed,
                "detections": self.totals.detections,
                "rejected": dict(self.totals.rejected),
                "dead_letters": dict(self.totals.dead_letters),
                "seconds": self.totals.seconds,
                "elapsed_s": round(self.elapsed_s, 3),
                "new_frames": self.new_frames,
                "kept": self.kept,
            },
        }

    def print(self, console: Console) -> None:
        """Print the visits, the shares and the totals."""
        console.print(self._visit_table() if self.visits else "no visit was counted")
        if len(self.visits) > _LONGEST_TABLE:
            console.print(f"… and {len(self.visits) - _LONGEST_TABLE} more")
        if self.visits:
            console.print(self._share_table())
        console.print(self._totals_line())

    def _names(self) -> Mapping[UUID, str]:
        return {camera.camera_id: camera.name for camera, _ in self.cameras}

    def _visit_table(self) -> Table:
        days = sorted({visit.started_at.date().isoformat() for visit in self.visits})
        title = f"{counted(len(self.visits), 'visit')}, {days[0]}" + (f" to {days[-1]}" if days[1:] else "") + " UTC"
        table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", padding=(0, 1, 0, 0))
        for name in ("camera", "from", "sec", "age (80%)", "band", "gender", "crops"):
            table.add_column(name, justify="right" if name in {"sec", "crops"} else "left", no_wrap=True)
        names = self._names()
        for visit in sorted(self.visits, key=lambda visit: (visit.started_at, names[visit.camera_id]))[:_LONGEST_TABLE]:
            table.add_row(*_visit_cells(visit, names))
        return table

    def _share_table(self) -> Table:
        """Shares by band and gender: each cell of all visits."""
        counts = Counter((visit.age_band, visit.gender) for visit in self.visits)
        table = Table(title="shares by age band and gender", box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
        for name in ("band", *_GENDERS, "all", ""):
            table.add_column(name, justify="left" if name in {"band", ""} else "right")
        for band in (*AGE_BANDS, UNKNOWN):
            row = [counts[band, gender] for gender in _GENDERS]
            if any(row):
                share = sum(row) / len(self.visits)
                table.add_row(band, *(_percent(n, len(self.visits)) for n in row), f"{share:.0%}", "█" * round(24 * share))
        columns = [sum(counts[band, gender] for band in (*AGE_BANDS, UNKNOWN)) for gender in _GENDERS]
        table.add_section()
        table.add_row("all", *(_percent(n, len(self.visits)) for n in columns), "100%", "")
        return table

    def _totals_line(self) -> str:
        totals = self.totals
        known = ", all of it known already" if totals.segments else ""
        speed = f" in {self.elapsed_s:.1f} s ({totals.seconds / self.elapsed_s:.1f} x)" if self.new_frames else known
        lines = [
            f"{counted(totals.segments, 'segment')}, {counted(totals.frames_decoded, 'frame')} decoded, {totals.frames_analysed} analysed",
            f"{counted(totals.detections, 'face')} found; {totals.seconds} s of video{speed}",
        ]
        not_counted = {reason: n for reason, n in totals.rejected.items() if reason in _OF_TRACKS}
        not_used = {reason: n for reason, n in totals.rejected.items() if reason not in _OF_TRACKS}
        for title, reasons in (("tracks that are no visit", not_counted), ("faces and frames that were not used", not_used)):
            if reasons:
                lines.append(f"{title}: " + ", ".join(f"{reason} {n}" for reason, n in reasons.items()))
        if totals.dead_letters:
            lines.append("set aside: " + ", ".join(f"{reason} {n}" for reason, n in totals.dead_letters.items()))
        return "\n".join(lines)


def visit_object(visit: Visit) -> dict[str, Any]:
    """Return a visit as it stands in the JSON documents."""
    return {
        "visit_id": str(visit.visit_id),
        "started_at": visit.started_at.isoformat(),
        "ended_at": visit.ended_at.isoformat(),
        "dwell_s": visit.dwell_s,
        "age": rounded(visit.age),
        "age_low": rounded(visit.age_low),
        "age_high": rounded(visit.age_high),
        "age_band": visit.age_band,
        "p_female": rounded(visit.p_female),
        "gender": visit.gender,
        "observations": visit.observations,
        "detections": visit.detections,
        "quality": rounded(visit.quality),
        "first_box": list(visit.first_box),
        "last_box": list(visit.last_box),
        "model": visit.model,
        "detector": visit.detector,
    }


def counted(number: int, noun: str) -> str:
    """Return "1 visit" or "3 visits"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def age_text(labels: Visit | Fused) -> str:
    """Return "34 (28-41)", the estimate and its 80% interval."""
    return UNKNOWN if labels.age is None else f"{labels.age:.0f} ({labels.age_low:.0f}-{labels.age_high:.0f})"


def gender_text(labels: Visit | Fused) -> str:
    """Return "female 0.97", the gender with its probability, or "unknown"."""
    if labels.p_female is None or labels.gender == UNKNOWN:
        return UNKNOWN
    return f"{labels.gender} {max(labels.p_female, 1 - labels.p_female):.2f}"


def _visit_cells(visit: Visit, names: Mapping[UUID, str]) -> tuple[str, ...]:
    return (
        escape(names[visit.camera_id]),
        visit.started_at.strftime("%H:%M:%S.%f")[:-5],
        f"{visit.dwell_s:.1f}",
        age_text(visit),
        visit.age_band,
        gender_text(visit),
        str(visit.observations),
    )


def rounded(value: float | None) -> float | None:
    """Return as much of a number as is worth printing; the database holds the rest."""
    return None if value is None else round(value, 4)


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if part else "·"
