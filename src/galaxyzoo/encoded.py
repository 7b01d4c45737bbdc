"""Encoded images: what their bytes say before anything is decoded."""

import re
import zlib

LARGEST_SIDE = 8192  # px; beyond it lie files that unpack to gigabytes
_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
# JPEG's second marker bytes (ITU T.81, table B.1).
_FILL, _SCAN = 0xFF, 0xDA
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL_FRAMES = {0xC0, 0xC1, 0xC9}
_END_OF_IMAGE = b"\xff\xd9"
# Amid a scan's pixels: neither a stuffed byte nor a restart.
_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_MOST_SEGMENTS = 10_000  # of a JPEG's header; a file of nothing but markers must not take minutes
_READ_AHEAD = 16  # bytes; libjpeg fills a register of 8 before it decodes from it


def check_encoded(data: bytes) -> tuple[tuple[int, int], bytes]:
    """Refuse what is no whole JPEG or PNG of a reasonable size.

    A decoder fills what a cut-off JPEG lacks with grey and warns on the terminal, at an end marker
    as soon as at the end of the file. So the marker is taken away: then cv2 finds no more data and
    decodes nothing. That works where all of the picture is in one scan; a progressive JPEG that was
    cut off and given a new end is whole but less sharp, and is taken.

    Args:
        data: the file's content; whatever stands behind the image's end is ignored.
    Returns:
        (height, width) in px by the header, and the bytes to decode.
    Raises:
        ValueError: empty, another type, cut off, damaged, or a side outside 1 to `LARGEST_SIDE` px.
    """
    if not data:
        raise ValueError("it is empty")
    if data.startswith(_JPEG):
        shape, data = _check_jpeg(data)
    elif data.startswith(_PNG):
        shape = _check_png(data)
    else:
        raise ValueError(f"it is neither JPEG nor PNG (it begins with {data[:8]!r})")
    if min(shape) < 1 or max(shape) > LARGEST_SIDE:
        raise ValueError(f"its size {shape[1]} × {shape[0]} px is outside 1 to {LARGEST_SIDE}")
    return shape, data


def _check_jpeg(data: bytes) -> tuple[tuple[int, int], bytes]:
    """Follow the segments up to the first scan (ITU T.81, B.2)."""
    kind, frame, position = 0, b"", 2
    for _ in range(_MOST_SEGMENTS):
        head = data[position : position + 4]
        if len(head) < 4 or head[0] != 0xFF or (head[1] == _SCAN and len(frame) < 6):
            break
        length = int.from_bytes(head[2:], "big")
        segment = data[position + 4 : position + 2 + length]
        if head[1] == _SCAN:
            end = data.find(_END_OF_IMAGE, position)
            if end < 0 or not segment:
                raise ValueError("it is cut off (no end of image)")
            shape = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
            if kind not in _SEQUENTIAL_FRAMES or segment[0] != frame[5]:  # fewer components
                return shape, data
            marker = _MARKER.search(data, position + 2 + length)
            if marker is None or marker.end() != end + len(_END_OF_IMAGE):
                raise ValueError("it is damaged (a marker amid its pixels)")
            return shape, data[:end] + bytes(_READ_AHEAD)
        if head[1] in _FRAMES:
            kind, frame = head[1], segment
        position += 1 if head[1] == _FILL else 2 + length
    raise ValueError("its JPEG header is cut off or damaged")


def _check_png(data: bytes) -> tuple[int, int]:
    """Follow the chunks and their checksums up to the last one (ISO 15948, 5.3)."""
    position = len(_PNG)
    while position + 12 <= len(data):
        end = position + 8 + int.from_bytes(data[position : position + 4], "big")
        if zlib.crc32(data[position + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            raise ValueError("it is cut off or damaged (checksum of a PNG chunk)")
        if data[position + 4 : position + 8] == b"IEND":
            return int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big")
        position = end + 4
    raise ValueError("it is cut off (no end of image)")
