"""The framing, as pure functions over bytes: no sockets, no loop, no threads.

The rules::

    stream  =  frame *frame
    frame   =  length payload
    length  =  4 bytes, unsigned, big-endian: how many bytes the payload has
    payload =  `length` bytes, at most `max_length`

A stream ends well only between two frames. What a payload means is not decided here but in
:mod:`examples.gateway.readings`.
"""

from __future__ import annotations

import struct

__all__ = [
    "HEADER",
    "MAX_LENGTH",
    "FrameCutOffError",
    "FrameDecoder",
    "FrameError",
    "FrameTooLongError",
    "encode_frame",
]

HEADER = struct.Struct(">I")
MAX_LENGTH = 64 * 1024
"""The longest payload that is taken by default, in bytes."""


class FrameError(Exception):
    """The stream broke the framing: nothing after this point can be told apart any more."""

    kind = "frame"


class FrameTooLongError(FrameError):
    """A length field promises more bytes than are allowed."""

    kind = "too long"


class FrameCutOffError(FrameError):
    """The stream ended in the middle of a frame."""

    kind = "cut off"


def encode_frame(payload: bytes, *, max_length: int = MAX_LENGTH) -> bytes:
    """One frame, ready to be sent.

    :raises FrameTooLongError: `payload` has more than `max_length` bytes.
    """
    if len(payload) > max_length:
        raise FrameTooLongError(
            f"{len(payload)} bytes in a frame, at most {max_length} are allowed"
        )
    return HEADER.pack(len(payload)) + payload


class FrameDecoder:
    """Cuts a stream of bytes, fed in pieces of any size, into payloads.

    ::

        payloads = decoder.feed(data)       # those that `data` completed, in their order
        if decoder.error is not None: ...   # the stream is broken: close it
        decoder.finish()                    # at its end

    :ivar error: what broke the stream, or None. It is kept here rather than raised, so that the
        good frames which came before it in the same piece are not lost.
    """

    def __init__(self, *, max_length: int = MAX_LENGTH) -> None:
        """:param max_length: the longest payload to take, in bytes."""
        self.max_length = max_length
        self.error: FrameError | None = None
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next piece of the stream.

        :returns: the payloads that are complete now. Nothing once :attr:`error` is set.
        """
        if self.error is not None:
            return []
        if self._rest:
            data = self._rest + data
        payloads: list[bytes] = []
        start, size = 0, HEADER.size
        unpack_from = HEADER.unpack_from
        while (body := start + size) <= len(data):
            (length,) = unpack_from(data, start)
            if length > self.max_length:
                self.error = FrameTooLongError(
                    f"a frame of {length} bytes is announced, at most {self.max_length} are allowed"
                )
                start = len(data)
                break
            end = body + length
            if end > len(data):
                break
            payloads.append(data[body:end])
            start = end
        self._rest = data[start:]
        return payloads

    def finish(self) -> None:
        """The stream has ended.

        :raises FrameError: it had been broken before, or ends in the middle of a frame.
        """
        if self.error is None and self._rest:
            self.error = FrameCutOffError(f"the stream ends {len(self._rest)} bytes into a frame")
        if self.error is not None:
            raise self.error
