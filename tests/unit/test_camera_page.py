from __future__ import annotations

import re
from pathlib import Path

from pipeline.errors import SourceError

ROOT = Path(__file__).resolve().parents[2]
NETWORK = ("connection.py", "diagnose.py", "live.py")


def test_the_page_about_cameras_explains_each_kind_of_error_with_its_exit_code() -> None:
    code = "".join((ROOT / "pipeline/adapters/camera" / name).read_text("utf-8") for name in NETWORK)
    raised = set(re.findall(r'(?:SourceError\(|return )"([a-z_]+)", ', code))
    rows = re.findall(r"^\| `([a-z_]+)` \| (\d) \|", (ROOT / "docs/cameras.md").read_text("utf-8"), re.MULTILINE)
    assert len(raised) > 5
    assert {kind for kind, _ in rows} == raised
    assert all(SourceError(kind, "").exit_code == int(code) for kind, code in rows)
