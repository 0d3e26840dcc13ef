"""The framing: whatever way a stream is cut into pieces, the same payloads come out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.gateway.frames import (
    HEADER,
    FrameCutOffError,
    FrameDecoder,
    FrameTooLongError,
    encode_frame,
)

LIMIT = 40
payloads_of_any_length = st.lists(st.binary(max_size=LIMIT), max_size=20)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """`data` in pieces, cut at `places` (taken modulo its length); some may be empty."""
    at = sorted(place % (len(data) + 1) for place in places)
    return [data[start:end] for start, end in zip([0, *at], [*at, len(data)], strict=True)]


@given(payloads=payloads_of_any_length, places=st.lists(st.integers(0, 2000), max_size=30))
def test_pieces_do_not_matter(payloads: list[bytes], places: list[int]) -> None:
    stream = b"".join(encode_frame(payload) for payload in payloads)
    decoder = FrameDecoder(max_length=LIMIT)
    found = [payload for piece in cut(stream, places) for payload in decoder.feed(piece)]
    assert found == payloads
    assert decoder.error is None
    decoder.finish()


@given(payloads=payloads_of_any_length, extra=st.integers(1, 2**32 - 1 - LIMIT), tail=st.binary())
def test_a_frame_too_long_ends_the_stream_but_not_what_came_before(
    payloads: list[bytes], extra: int, tail: bytes
) -> None:
    stream = b"".join(map(encode_frame, payloads)) + HEADER.pack(LIMIT + extra) + tail
    decoder = FrameDecoder(max_length=LIMIT)
    assert decoder.feed(stream) == payloads
    assert isinstance(decoder.error, FrameTooLongError)
    assert decoder.feed(encode_frame(b"late")) == []
    with pytest.raises(FrameTooLongError):
        decoder.finish()


@given(payload=st.binary(min_size=1, max_size=LIMIT), data=st.data())
def test_a_frame_cut_off_is_told_at_the_end(payload: bytes, data: st.DataObject) -> None:
    whole = encode_frame(payload)
    kept = data.draw(st.integers(1, len(whole) - 1))
    decoder = FrameDecoder(max_length=LIMIT)
    assert decoder.feed(encode_frame(b"good") + whole[:kept]) == [b"good"]
    assert decoder.error is None
    with pytest.raises(FrameCutOffError, match=f"{kept} bytes into a frame"):
        decoder.finish()


@given(pieces=st.lists(st.binary(max_size=200), max_size=20))
def test_any_bytes_at_all(pieces: list[bytes]) -> None:
    """Garbage never raises in feed, and what comes out can be found in what went in."""
    decoder = FrameDecoder(max_length=LIMIT)
    found = [payload for piece in pieces for payload in decoder.feed(piece)]
    frames = b"".join(map(encode_frame, found))
    assert b"".join(pieces).startswith(frames)
    whole = len(frames) == len(b"".join(pieces))
    try:
        decoder.finish()
    except (FrameTooLongError, FrameCutOffError):
        assert not whole
    else:
        assert whole


def test_the_limit_itself_is_allowed() -> None:
    decoder = FrameDecoder(max_length=LIMIT)
    assert decoder.feed(encode_frame(bytes(LIMIT))) == [bytes(LIMIT)]
    assert encode_frame(bytes(LIMIT), max_length=LIMIT)
    with pytest.raises(FrameTooLongError, match="41 bytes in a frame, at most 40"):
        encode_frame(bytes(LIMIT + 1), max_length=LIMIT)
