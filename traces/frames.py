"""Lines of a trace in a compressed file: a zstd stream (RFC 8878), as `zstd -dc` reads it, in which any step is found.

A frame holds the lines of steps in a row, some megabyte of text: a step costs little more than what is new in it, and
any step is read by decompressing one frame up to it. Every line is flushed in blocks of its own, and an empty block
after them marks its end, so that the headers of the blocks show where steps end, and nothing is decompressed for that.
In a frame's last step, the empty block is the frame's last block, too. A frame that a process left open is closed by
another empty last block, written together with the first step of the next frame.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field

import zstandard
from zstandard import COMPRESSOBJ_FLUSH_BLOCK, ZstdCompressionParameters, ZstdCompressor, ZstdDecompressor, ZstdError

FRAME_BYTES = 1 << 20
"""Text after which a frame ends: what must be decompressed to read any one step, a millisecond of work."""
LEVEL = 3
_STEP, _LAST = b"\2\0\0\n", b"\1\0\0"
"""An empty block that marks the end of a step (a line end, no times: unlike zeros, which a power cut may leave); one
that ends the frame as well."""
_CHUNK = 1 << 18
_COMPRESSED = 4
"""The lowest three bits of the header of a compressed block that is not its frame's last."""
_HEADER = 18
"""Bytes of the longest header of a frame; that of a block has three."""


class LineCompressor:
    """Compresses the lines of one file, each as it is written. `left_open`: its last frame has not ended."""

    def __init__(self, left_open: bool) -> None:
        parameters = ZstdCompressionParameters.from_level(
            LEVEL, window_log=FRAME_BYTES.bit_length() - 1, write_content_size=False
        )
        self._compressor = ZstdCompressor(compression_params=parameters)
        self._frame: zstandard.ZstdCompressionObj | None = None
        self._left_open = left_open
        self._held = 0

    def compress(self, line: bytes, last: bool) -> bytes:
        """Return what is to be appended for a step; after the `last` one of an episode the file is a whole stream."""
        before = b""
        if self._frame is None:
            before = _LAST if self._left_open else b""
            self._frame, self._held, self._left_open = self._compressor.compressobj(), 0, False
        data = self._frame.compress(line) + self._frame.flush(COMPRESSOBJ_FLUSH_BLOCK)
        self._held += len(line)
        if last or self._held >= FRAME_BYTES:
            self._frame = None
            return before + data + _LAST
        return before + data + _STEP


class FramesDamaged(ValueError):
    """A file is no stream of such frames."""


@dataclass(slots=True)
class FrameIndex:
    """Where the steps of a file are; eight bytes a step."""

    ends: "array[int]" = field(default_factory=lambda: array("Q"))
    """Where each complete step ends."""
    starts: "array[int]" = field(default_factory=lambda: array("Q"))
    """Where each frame starts."""
    firsts: "array[int]" = field(default_factory=lambda: array("Q"))
    """The number of each frame's first step, from 1."""
    is_open: bool = False
    """Whether the last frame has not ended."""

    def copy(self) -> "FrameIndex":
        """Return an index that grows apart from this one."""
        return FrameIndex(self.ends[:], self.starts[:], self.firsts[:], self.is_open)

    @property
    def end(self) -> int:
        """Where the last complete step ends."""
        return self.ends[-1] if self.ends else 0

    def start_of(self, number: int) -> int:
        """Return where the bytes of a step start that belong to no step before it."""
        return self.ends[number - 2] if number > 1 else 0

    def frame_of(self, number: int) -> int:
        """Return the frame of a step, from 0."""
        return bisect_right(self.firsts, number) - 1

    def last_of(self, frame: int) -> int:
        """Return the number of a frame's last complete step."""
        return self.firsts[frame + 1] - 1 if frame + 1 < len(self.firsts) else len(self.ends)

    def extend(self, read: Callable[[int, int], bytes]) -> None:
        """Find the steps after those known; `read(start, length)` returns bytes of the file.

        What follows the last complete step is left out: the beginning of a step, or zeros that a power cut left.
        Raises FramesDamaged where it is anything else.
        """
        try:
            self._extend(read)
        except _Misplaced as wrong:
            at = wrong.at + _HEADER  # a header itself may be torn
            while piece := read(at, _CHUNK):
                if piece.strip(b"\0"):
                    raise FramesDamaged(f"no block begins at byte {wrong.at:,}") from wrong
                at += len(piece)

    def _extend(self, read: Callable[[int, int], bytes]) -> None:
        at, blocks = self.end, 0
        frame = _INSIDE if self.is_open else _BEFORE
        base, data = at, b""
        while True:
            if at + _HEADER > base + len(data):
                base, data = at, read(at, _CHUNK)
            place = at - base
            if frame != _BEFORE and place + _HEADER <= len(data):  # nearly all blocks, without what the others take
                head = data[place] | data[place + 1] << 8 | data[place + 2] << 16
                if head & 7 == _COMPRESSED and head > 7:
                    at, blocks = at + 3 + (head >> 3), blocks + 1
                    continue
                if frame == _INSIDE and blocks and head == _STEP[0] and data[place + 3] == _STEP[3]:
                    at, blocks = at + len(_STEP), 0
                    self.ends.append(at)
                    continue
            here = data[place : place + _HEADER]
            if frame == _BEFORE:
                size = _frame_header(here, at)
                if size is None:
                    return
                frame, at, blocks = at, at + size, 0
                continue
            block = _block(here, at)
            if block is None:
                return
            length, is_empty, is_last = block
            at += length
            if not is_empty:
                blocks += 1
                continue
            if blocks:
                if frame != _INSIDE:
                    self.starts.append(frame)
                    self.firsts.append(len(self.ends) + 1)
                self.ends.append(at)
                self.is_open = not is_last
            elif not is_last:
                raise _Misplaced(at - length)
            frame, blocks = _BEFORE if is_last else _INSIDE, 0


_BEFORE, _INSIDE = -1, -2
"""Instead of where a frame starts: none has begun, or one that is known."""


class _Misplaced(Exception):
    """No block begins at a byte."""

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.at = at


def _block(data: bytes, at: int) -> tuple[int, bool, bool] | None:
    """Return a block's length, whether it is empty, whether it is its frame's last; None where it is not there yet."""
    if len(data) < 3:
        return None
    last, kind, size = bool(data[0] & 1), data[0] >> 1 & 3, int.from_bytes(data[:3], "little") >> 3
    if size == 0:
        mark = _LAST if last else _STEP
        if not mark.startswith(data[: len(mark)]):
            raise _Misplaced(at)
        return (len(mark), True, last) if len(data) >= len(mark) else None
    if kind == 3 or last:  # reserved; frames end with an empty block
        raise _Misplaced(at)
    return 3 + (1 if kind == 1 else size), False, False


def _frame_header(data: bytes, at: int) -> int | None:
    """Return the size of a frame's header; None where it is not complete yet."""
    if not zstandard.FRAME_HEADER.startswith(data[:4]):
        raise _Misplaced(at)
    if len(data) < 6:
        return None
    try:
        size = zstandard.frame_header_size(data)
    except ZstdError as error:
        raise _Misplaced(at) from error
    return size if len(data) >= size else None


def holds_more_than_a_step(torn: bytes) -> bool:
    """Whether what follows the last complete step is more than a torn step: then damage hides steps."""
    return torn.find(zstandard.FRAME_HEADER, len(_LAST) + 1) >= 0


class FrameText:
    """The lines of one frame, decompressed as far as they are asked for."""

    def __init__(self, frame: int, start: int) -> None:
        self.frame = frame
        self.places: list[tuple[bytes, int, int]] = []
        """Of each line, the text that holds it, where it starts in it and where it ends, without its line end."""
        self.at = start
        """Up to where the file was decompressed."""
        self._stream = ZstdDecompressor().decompressobj()

    def add(self, data: bytes) -> None:
        """Decompress what follows: whole steps. Raises ZstdError where it is damaged."""
        text, start = self._stream.decompress(data), 0
        while (end := text.find(b"\n", start)) >= 0:
            self.places.append((text, start, end))
            start = end + 1
        self.at += len(data)
