"""Decoders are lent to one at a time, and kept: two threads that scaled with one decoder's tables ended the process."""

from __future__ import annotations

from uuid import UUID

import pytest

from pipeline.stages.decode import DecodeOptions, Decoders

CAMERA, SECOND, THIRD = (UUID(int=number) for number in range(3))


@pytest.fixture
def decoders() -> Decoders:
    return Decoders(DecodeOptions.of(5, 64, 10**6), kept=2)


def test_a_camera_keeps_its_decoder(decoders: Decoders) -> None:
    with decoders.lent(CAMERA) as before:
        pass
    with decoders.lent(SECOND) as other, decoders.lent(CAMERA) as again:
        assert again is before
        assert other is not before


def test_nobody_gets_a_decoder_that_another_has(decoders: Decoders) -> None:
    with decoders.lent(CAMERA) as one, decoders.lent(CAMERA) as other:
        assert one is not other
    with decoders.lent(CAMERA) as last, decoders.lent(CAMERA) as fresh:
        assert last is one  # it came back after the other
        assert fresh is not other


def test_it_comes_back_after_an_error(decoders: Decoders) -> None:
    with pytest.raises(ZeroDivisionError), decoders.lent(CAMERA) as before:
        raise ZeroDivisionError
    with decoders.lent(CAMERA) as again:
        assert again is before


def test_the_one_that_came_back_first_is_forgotten(decoders: Decoders) -> None:
    lent = {}
    for camera in (CAMERA, SECOND, CAMERA, THIRD):
        with decoders.lent(camera) as lent[camera]:
            pass
    for camera, kept in ((CAMERA, True), (THIRD, True), (SECOND, False)):
        with decoders.lent(camera) as decoder:
            assert (decoder is lent[camera]) is kept
