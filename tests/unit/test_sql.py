"""A password never stands among psql's arguments, which all users of a machine can read."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sql import without_password

SECRETS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=6).map(lambda text: f"s3cret{text}")


@given(SECRETS)
@pytest.mark.parametrize(
    "url", ["postgresql://user:{}@db.example:5432/rows?sslmode=require", "postgresql://user@db.example/rows?password={}"]
)
def test_a_password_goes_into_the_environment_alone(url: str, secret: str) -> None:
    shown, environment = without_password(url.format(quote(secret, safe="")))
    assert environment == {"PGPASSWORD": secret}
    assert "s3cret" not in shown
    assert shown.startswith("postgresql://user@db.example")


def test_an_unquoted_bracket_is_a_password_like_another() -> None:
    expected = "postgresql://user@db.example/rows", {"PGPASSWORD": "pass[word"}
    assert without_password("postgresql://user:pass[word@db.example/rows") == expected


def test_an_address_without_a_password_stays_as_it_is() -> None:
    url = "postgresql://headcount@/headcount?host=%2Fvar%2Flib%2Fheadcount%2Fpostgres-socket"
    assert without_password(url) == (url, {})
