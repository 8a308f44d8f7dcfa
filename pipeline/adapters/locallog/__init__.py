"""The segment log on a local disk: the embedded implementation of `ports.SegmentLog`; imports types, errors and ports."""

from pipeline.adapters.locallog.log import LocalLog, LogLimits

__all__ = ["LocalLog", "LogLimits"]
