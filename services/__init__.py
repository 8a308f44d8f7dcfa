"""The processes: wiring and life cycle only."""
