from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.adapters.pbtxt import Message, parse


def test_every_way_to_write_a_field() -> None:
    message = parse("""
        # a comment
        name: "model"  kind: KIND_CPU  size: -3
        port { dims: [ 1, 2 ] dims: 3 }   # repeated both ways
        port: { }
        both [ { size: 1 }, { size: 2 } ]
        none: []
    """)
    assert (message.text("name"), message.text("kind"), message.number("size")) == ("model", "KIND_CPU", -3)
    assert [port.numbers("dims") for port in message.messages("port")] == [(1, 2, 3), ()]
    assert [entry.number("size") for entry in message.messages("both")] == [1, 2]
    assert message.messages("none") == message.messages("missing") == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 'single'", "line 2: cannot be read"),
        ("a: 1.5", "line 1: cannot be read"),
        ("\n\na:", "line 3: expected a value"),
        ("a { b: 1", "line 1: expected the name of a field"),
        ("a [ 1 2 ]", "line 1: expected ,"),
        ("}", "expected the name of a field"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_line(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(text)


def test_a_field_of_another_kind_is_refused() -> None:
    message = parse('a: "x" a: 1 b { }')
    for wrong in (lambda: message.text("a"), lambda: message.numbers("a"), lambda: message.number("b"), lambda: message.text("b")):
        with pytest.raises(ValueError, match="expected"):
            wrong()


@given(st.text(alphabet='ab1-:{}[],"# \n', max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        assert isinstance(parse(text), Message)
    except ValueError as error:
        assert "expected" in str(error) or "cannot be read" in str(error)  # noqa: PT017 - either outcome is fine
