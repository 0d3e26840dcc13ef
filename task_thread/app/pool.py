"""How large a pool is, and what of it is kept for whom."""

from __future__ import annotations

from dataclasses import dataclass

from task_thread.app.checks import check_whole

__all__ = ["Pool", "pool_of"]


@dataclass(frozen=True, slots=True)
class Pool:
    """The size of a pool of threads or processes.

    LOW runs may use ``size``, NORMAL ones also ``reserve_normal``, HIGH ones also
    ``reserve_high``; CRITICAL ones always start, however full it is.

    :param size: how many may be busy at once.
    :param reserve_normal: places beyond it for NORMAL runs and those before them.
    :param reserve_high: places beyond both for HIGH runs and CRITICAL ones.
    :raises TypeError: one of them is no whole number.
    :raises ValueError: `size` is below 1, or a reserve below 0.
    """

    size: int
    reserve_normal: int = 1
    reserve_high: int = 1

    def __post_init__(self) -> None:
        for name, least in (("size", 1), ("reserve_normal", 0), ("reserve_high", 0)):
            check_whole(f"a pool's {name}", getattr(self, name), least)

    @property
    def most(self) -> int:
        """What all but CRITICAL runs together may use."""
        return self.size + self.reserve_normal + self.reserve_high


def pool_of(size: Pool | int) -> Pool:
    """`size` as a Pool: a number is one with a place in reserve for NORMAL and one for HIGH."""
    return size if isinstance(size, Pool) else Pool(size)
