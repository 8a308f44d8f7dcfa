"""Inception-v3 without its classifiers (Szegedy et al., "Rethinking the Inception architecture for computer vision", 2016)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from training.networks.plan import average_pool, branches, chain, max_pool, scaled, unit

if TYPE_CHECKING:
    from training.networks.plan import Plan


def inception_v3(width: float) -> Plan:
    """Plan the layers up to the last module, (n, 2048 at width 1, h, w); a side of 299 pixels becomes 8, 112 becomes 2.

    As the authors published it, which differs from the paper's table in the stem. The auxiliary classifier, which only regularises
    (their section 4), is left out.
    """
    return chain(
        _stem(width),
        *(_module_35(width, pooled) for pooled in (32, 64, 64)),
        _to_17(width),
        *(_module_17(width, inner) for inner in (128, 160, 160, 192)),
        _to_8(width),
        _module_8(width),
        _module_8(width),
    )


def _unit(width: float, channels: int, kernel: int | tuple[int, int] = 1, *, stride: int = 1, padding: int | None = None) -> Plan:
    return unit(scaled(channels, width), kernel, stride=stride, padding=padding, norm=True)


def _stem(width: float) -> Plan:
    conv = partial(_unit, width)
    return chain(
        conv(32, 3, stride=2, padding=0),
        conv(32, 3, padding=0),
        conv(64, 3),
        max_pool(),
        conv(80),
        conv(192, 3, padding=0),
        max_pool(),
    )


def _module_35(width: float, pooled: int) -> Plan:
    """Plan the module of the paper's figure 5, for 35x35."""
    conv = partial(_unit, width)
    return branches(
        conv(64),
        chain(conv(48), conv(64, 5)),
        chain(conv(64), conv(96, 3), conv(96, 3)),
        chain(average_pool(), conv(pooled)),
    )


def _to_17(width: float) -> Plan:
    """Plan the reduction of figure 10, to 17x17."""
    conv = partial(_unit, width)
    return branches(
        conv(384, 3, stride=2, padding=0),
        chain(conv(64), conv(96, 3), conv(96, 3, stride=2, padding=0)),
        max_pool(),
    )


def _module_17(width: float, inner: int) -> Plan:
    """Plan the module of figure 6, for 17x17: 7x7 as rows and columns."""
    conv = partial(_unit, width)
    row, column = (1, 7), (7, 1)
    return branches(
        conv(192),
        chain(conv(inner), conv(inner, row), conv(192, column)),
        chain(conv(inner), conv(inner, column), conv(inner, row), conv(inner, column), conv(192, row)),
        chain(average_pool(), conv(192)),
    )


def _to_8(width: float) -> Plan:
    """Plan the reduction to 8x8."""
    conv = partial(_unit, width)
    return branches(
        chain(conv(192), conv(320, 3, stride=2, padding=0)),
        chain(conv(192), conv(192, (1, 7)), conv(192, (7, 1)), conv(192, 3, stride=2, padding=0)),
        max_pool(),
    )


def _module_8(width: float) -> Plan:
    """Plan the module of figure 7, for 8x8: rows and columns beside each other."""
    conv = partial(_unit, width)
    rows_and_columns = branches(conv(384, (1, 3)), conv(384, (3, 1)))
    return branches(
        conv(320),
        chain(conv(384), rows_and_columns),
        chain(conv(448), conv(384, 3), rows_and_columns),
        chain(average_pool(), conv(192)),
    )
