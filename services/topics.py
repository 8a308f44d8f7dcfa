"""`headcount topics`: makes Kafka's topics as the settings want them, and says how they differ."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich import box
from rich.markup import escape
from rich.table import Table

from pipeline.adapters.kafka.cluster import cluster_of
from pipeline.adapters.kafka.topics import Topics
from services.clock import SystemClock

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.adapters.kafka.plan import Finding
    from pipeline.adapters.kafka.topics import Inspection
    from pipeline.settings import Settings

_REPLICATION = "replication is changed by Kafka's own kafka-reassign-partitions, or accepted by HEADCOUNT_KAFKA_REPLICATION"
_BROKERS = "what differs of a broker is changed in its own configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicsOutcome:
    """What was found, and what was done before."""

    inspection: Inspection
    changes: tuple[str, ...] | None  # None: nothing was to be changed

    @property
    def exit_code(self) -> int:
        """0: everything is as the settings want it."""
        return 1 if self.inspection.differing else 0

    def document(self) -> dict[str, Any]:
        """Return the JSON document."""
        compared = [{name: value for name, value in asdict(finding).items() if name != "settles"} for finding in self.inspection.findings]
        document = {"as_wanted": not self.inspection.differing, "longest_kept_s": self.inspection.longest_kept_s, "compared": compared}
        return document if self.changes is None else {"changes": list(self.changes)} | document

    def print(self, console: Console) -> None:
        """Print the tables, what was done, and what is left to do, for people."""
        for place, findings in groupby(self.inspection.findings, key=lambda finding: finding.place):
            console.print(_table(place, list(findings)))
        for change in self.changes or ():
            console.print(change, markup=False, soft_wrap=True)
        if self.changes == ():
            console.print("nothing was to be changed")
        minutes = self.inspection.longest_kept_s / 60
        console.print(
            f"encoded video is gone from the brokers' disks [bold]{minutes:.0f} min[/bold] after it came, at the latest", soft_wrap=True
        )
        for advice in self._advice():
            console.print(advice, style="yellow", soft_wrap=True)

    def _advice(self) -> list[str]:
        differing = self.inspection.differing
        advice = []
        if self.changes is None and any(finding.settles for finding in differing):
            advice.append("headcount topics apply makes the topics as they are wanted")
        if any(finding.setting == "replication" for finding in differing):
            advice.append(_REPLICATION)
        if any(finding.place.startswith("broker ") for finding in differing):
            advice.append(_BROKERS)
        return advice


def check_topics(settings: Settings) -> TopicsOutcome:
    """Compare the topics with the settings; changes nothing."""
    return TopicsOutcome(inspection=_topics(settings).inspect(), changes=None)


def apply_topics(settings: Settings) -> TopicsOutcome:
    """Make and change the topics; never removes a partition or a record."""
    applied = _topics(settings).apply()
    return TopicsOutcome(inspection=applied.inspection, changes=applied.changes)


def require_topics(settings: Settings) -> None:
    """Refuse to work with topics that are missing, or that would refuse records or keep them by the wrong clock.

    Raises:
        LogUnavailableError: The brokers do not answer.
        ConfigurationError: A topic is not usable; the message says what to do.
    """
    _topics(settings).require()


def _topics(settings: Settings) -> Topics:
    return Topics(cluster_of(settings), settings, SystemClock())


def _table(place: str, findings: list[Finding]) -> Table:
    table = Table("setting", "wanted", "found", title=escape(place), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for finding in findings:
        table.add_row(finding.setting, finding.wanted, escape(finding.found), style="red" if finding.differs else None)
    return table
