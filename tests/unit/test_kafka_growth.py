"""What a client learned of the ends of partitions by itself."""

from __future__ import annotations

from pipeline.adapters.kafka.bounds import Growth


def test_acknowledgements_that_are_told_out_of_order_do_not_make_a_partition_shorter() -> None:
    growth = Growth()
    growth.note(0, 12, at_s=1.0)
    growth.note(0, 11, at_s=1.1)
    assert (growth.end_of(0), growth.end_of(1)) == (12, 0)


def test_what_was_learned_since_the_brokers_were_asked_is_kept() -> None:
    growth = Growth()
    growth.note(0, 12, at_s=1.0)
    growth.forget(0, before_s=1.0)
    growth.forget(1, before_s=1.0)
    assert growth.end_of(0) == 12
    growth.forget(0, before_s=1.1)
    assert growth.end_of(0) == 0
