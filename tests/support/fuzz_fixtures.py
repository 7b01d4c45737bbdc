"""Mutated files for random tests, and what a refusal of them must look like."""

import random
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings

from support.pictures import draw_image
from support.thoroughness import is_long, thorough


def cases(short: int, long: int) -> settings:
    """Settings of a test of so many random cases, of the longer number with `--long`."""
    return settings(
        max_examples=thorough(short, long),
        deadline=None,
        derandomize=not is_long(),
        # One folder serves all cases of a test: each writes its file anew.
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


CASES = cases(120, 4000)
SLOW = cases(40, 3000)
PICTURE = draw_image(np.random.default_rng(0), 60)
JUNK = (
    b"", b"\x00", b"\xff", b"\n", b"\r", b",", b'"', b"'", b"-", b"nan", b"NaN", b"inf", b"1e999",
    b"\xef\xbb\xbf", b"\xfe\xff", b";", b" ", b"\t", b"101", b"9" * 30, b"True", b"GalaxyID",
    b"0x1", b"1_0", b"\xd9", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"PK\x05\x06", b"\xff\xff",
)  # fmt: skip


def flip_a_bit(path: Path) -> None:
    """Change the lowest bit of the fiftieth byte from a file's end."""
    data = bytearray(path.read_bytes())
    data[-50] ^= 1
    path.write_bytes(data)


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Cut, flip, insert, take out, double or swap a few times; at times anything at all."""
    if rng.random() < 0.03:
        return rng.randbytes(rng.randrange(200))
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        place = rng.randrange(len(out) + 1)
        end = min(len(out), place + rng.choice((1, 1, 2, 4, 30)))
        what = rng.randrange(6)
        if what == 0:
            del out[place:]
        elif what == 1 and place < len(out):
            out[place] ^= 1 << rng.randrange(8)
        elif what == 2:
            out[place:place] = rng.choice(JUNK)
        elif what == 3:
            del out[place:end]
        elif what == 4:
            out[place:place] = out[place:end]
        else:
            out[place:end] = rng.randbytes(end - place)
    return bytes(out)
