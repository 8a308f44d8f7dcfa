"""What the words of data sets mean."""

from __future__ import annotations

from math import isfinite, nan

from training.faces import FEMALE, MALE, MAX_AGE
from training.left_out import UnusableError

_GENDERS = {"f": FEMALE, "female": FEMALE, "m": MALE, "male": MALE}
_MAX_LENGTH = 200


def gender(word: str) -> int:
    """Return the gender of "Female", "m" and the like.

    Raises:
        UnusableError: The word means neither.
    """
    if word.lower() not in _GENDERS:
        raise UnusableError("unknown gender", repr(word))
    return _GENDERS[word.lower()]


def race(word: str) -> str:
    """Return a race label, which becomes a row's title in the card's table.

    Raises:
        UnusableError: It is too long, or would break that table.
    """
    if len(word) > _MAX_LENGTH or "|" in word or not word.isprintable():
        raise UnusableError("unknown race label", repr(word))
    return word


def exact_age(years: str) -> tuple[int, int]:
    """Return an age in years as an interval of one.

    Raises:
        UnusableError: It is no whole number, or outside 0..100.
    """
    if not (years.isascii() and years.isdigit()):
        raise UnusableError("unknown age", repr(years))
    return checked_age(int(years[:9]))  # more digits are outside in any case


def number(text: str) -> float:
    """Return a finite number.

    Raises:
        UnusableError: It is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = nan
    if not isfinite(value):
        raise UnusableError("not a number", repr(text))
    return value


def checked_age(years: int) -> tuple[int, int]:
    """Return an age in years as an interval of one.

    Raises:
        UnusableError: It is outside 0..100.
    """
    if not 0 <= years <= MAX_AGE:
        raise UnusableError(f"age outside 0..{MAX_AGE}", str(years))
    return years, years
