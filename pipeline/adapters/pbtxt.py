"""Reads protobuf's text format without its schema: text, whole numbers, names, messages and lists; imports nothing of ours."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPACE = re.compile(r"(?:\s|#[^\n]*)*")
_TOKEN = re.compile(r'"(?P<text>[^"\\\n]*)"|(?P<number>-?\d+)(?![\w.])|(?P<word>[A-Za-z_]\w*)|(?P<sign>[:{}\[\],])')


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Fields in order, each with all of its values; reading one as another kind raises ValueError."""

    fields: dict[str, list[Value]] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """Return the one text or name of a field."""
        value = self._one(name)
        if not isinstance(value, str):
            raise ValueError(f"{name}: expected a text")  # noqa: TRY004 - the file is wrong, not the program
        return value

    def number(self, name: str) -> int:
        """Return the one number of a field."""
        value = self._one(name)
        if not isinstance(value, int):
            raise ValueError(f"{name}: expected a whole number")  # noqa: TRY004 - the file is wrong, not the program
        return value

    def numbers(self, name: str) -> tuple[int, ...]:
        """Return a field's numbers, none where it is missing."""
        return tuple(value for value in self._all(name, int) if isinstance(value, int))

    def messages(self, name: str) -> tuple[Message, ...]:
        """Return a field's messages, none where it is missing."""
        return tuple(value for value in self._all(name, Message) if isinstance(value, Message))

    def _all(self, name: str, kind: type[int | Message]) -> list[Value]:
        values = self.fields.get(name, [])
        if not all(isinstance(value, kind) for value in values):
            raise ValueError(f"{name}: expected values of another kind")
        return values

    def _one(self, name: str) -> Value:
        values = self.fields.get(name, [])
        if len(values) != 1:
            raise ValueError(f"{name}: expected one value, got {len(values)}")
        return values[0]


Value: TypeAlias = str | int | Message


def parse(text: str) -> Message:
    """Return the message that `text` describes.

    Raises:
        ValueError: It is not of the subset above; names the line.
    """
    return _message(deque(_tokens(text)), "end")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    kind: str  # "text", "number", "word", "end", or the sign itself
    text: str
    line: int


def _tokens(text: str) -> Iterator[_Token]:
    place, line = 0, 1
    while True:
        space = _SPACE.match(text, place)
        line += text.count("\n", place, space.end() if space else place)
        place = space.end() if space else place
        if place == len(text):
            yield _Token(kind="end", text="", line=line)
            return
        found = _TOKEN.match(text, place)
        if found is None:
            raise ValueError(f"line {line}: cannot be read")
        kind = str(found.lastgroup)
        yield _Token(kind=found[0] if kind == "sign" else kind, text=found[kind], line=line)
        place = found.end()


def _message(tokens: deque[_Token], closing: str) -> Message:
    """Read fields up to the closing token, and that."""
    message = Message()
    while tokens[0].kind != closing:
        name = _expect(tokens, "word").text
        if tokens[0].kind == ":":
            tokens.popleft()
        message.fields.setdefault(name, []).extend(_values(tokens))
    tokens.popleft()
    return message


def _values(tokens: deque[_Token]) -> list[Value]:
    if tokens[0].kind != "[":
        return [_value(tokens)]
    tokens.popleft()
    values: list[Value] = []
    while tokens[0].kind != "]":
        if values:
            _expect(tokens, ",")
        values.append(_value(tokens))
    tokens.popleft()
    return values


def _value(tokens: deque[_Token]) -> Value:
    token = tokens.popleft()
    if token.kind == "{":
        return _message(tokens, "}")
    if token.kind not in {"text", "number", "word"}:
        raise ValueError(f"line {token.line}: expected a value")
    return int(token.text) if token.kind == "number" else token.text


def _expect(tokens: deque[_Token], kind: str) -> _Token:
    token = tokens.popleft()
    if token.kind != kind:
        raise ValueError(f"line {token.line}: expected {'the name of a field' if kind == 'word' else kind}")
    return token
