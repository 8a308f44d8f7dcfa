"""Groups of pictures: a segment's packets from one keyframe to before the next; imports nothing of ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from av.packet import Packet
    from av.video.stream import VideoStream


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A keyframe and what depends on it; times are presentation times in microseconds."""

    packets: tuple[Packet[VideoStream], ...] = field(repr=False)  # in the order of decoding
    pts_us: tuple[int, ...]  # of each packet; empty when one of them has none
    sizes: tuple[int, ...]  # of each packet, bytes
    end_us: int  # where the next group begins, or the segment ends
    closed: bool  # no packet after it depends on one of its own

    @property
    def shown_us(self) -> tuple[int, ...]:
        """When its pictures are shown, without leading ones, which a decoder that starts at the keyframe leaves out."""
        return tuple(sorted({pts_us for pts_us in self.pts_us if pts_us >= self.pts_us[0]}))

    @property
    def leads(self) -> bool:
        """Whether it has leading pictures: shown before the keyframe, decoded after it, dependent on the group before."""
        return min(self.pts_us) < self.pts_us[0]

    @property
    def interval_us(self) -> int:
        """From its keyframe to the next."""
        return self.end_us - self.pts_us[0]

    @property
    def forward_sizes(self) -> tuple[int, ...]:
        """Sizes of the packets that are shown later than all before them (P-pictures); those between (B) are smaller by nature."""
        latest_us, sizes = self.pts_us[0], []
        for pts_us, size in zip(self.pts_us[1:], self.sizes[1:], strict=True):
            if pts_us > latest_us:
                latest_us = pts_us
                sizes.append(size)
        return tuple(sizes)


def groups(
    packets: Iterator[Packet[VideoStream]],
    pts_us: Callable[[Packet[VideoStream]], int | None],
    restarts: Callable[[Packet[VideoStream]], bool],
    end_us: int,
) -> Iterator[Group]:
    """Cut a segment's packets at its keyframes.

    Args:
        packets: As demuxed.
        pts_us: Tells a packet's presentation time.
        restarts: Tells of a keyframe whether what comes from it on depends on nothing earlier.
        end_us: Presentation time at which the segment ends.
    """
    held: list[Packet[VideoStream]] = []

    def group(following: Packet[VideoStream] | None) -> Group:
        next_us = None if following is None else pts_us(following)
        times = [pts_us(packet) for packet in held]
        known = tuple(time for time in times if time is not None)
        return Group(
            packets=tuple(held),
            pts_us=known if len(known) == len(held) else (),
            sizes=tuple(packet.size for packet in held),
            end_us=end_us if next_us is None else next_us,
            closed=following is None or restarts(following),
        )

    try:
        for packet in packets:
            if packet.is_keyframe and held:
                yield group(packet)
                held.clear()
            if packet.size:
                held.append(packet)
    except Exception:
        if held:  # what came before the damage can be decoded
            yield group(None)
        raise
    if held:
        yield group(None)
