"""Images that cannot be read, in the cache: marked or refused, and tried again once repaired."""

import errno
import os
from pathlib import Path

import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.image_cache import open_cache
from galaxyzoo.data.stores.base import MAX_IMAGE_BYTES
from support.image_files import MAKERS, SMALL, N, make_folder
from support.refusals import one_line_refusal


@MAKERS
def test_a_bad_test_image_is_black_and_marked_and_a_bad_training_image_an_error(
    root, encoded, make
):
    bad = {102: b"", 105: b"<html>", 107: encoded[107][:200]}
    store = make(root, encoded | bad)
    for _ in range(2):  # decoded, then out of the cache
        cache = open_cache(store, store.ids, SMALL, strict=False)
        assert cache.ids[cache.unreadable].tolist() == sorted(bad)
        assert cache.images[cache.unreadable].max() == 0
        assert cache.images[~cache.unreadable].reshape(N - 3, -1).max(axis=1).min() > 0
        message = one_line_refusal(open_cache, store, store.ids, SMALL, strict=True)
        assert "3 of 10 images" in message
        assert all(f"{i}.jpg" in message for i in bad)
    open_cache(
        make(root, encoded), store.ids, SMALL, strict=True
    )  # repaired: nothing stale is in the way


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.ESTALE])
def test_what_the_system_lacks_is_no_images_fault(root, encoded, monkeypatch, number):
    """It would stay in the cache for ever, and the images are as they were."""
    store = make_folder(root, encoded)

    def refused(_: Path) -> bytes:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refused)
        with pytest.raises(InputError, match=rf"jpg cannot be read .*{os.strerror(number)}"):
            open_cache(store, store.ids, SMALL, strict=False)
    assert not open_cache(store, store.ids, SMALL, strict=False).unreadable.any()


@MAKERS
def test_an_image_beyond_reason_is_not_read(root, encoded, make):
    encoded[104] += b"\0" * MAX_IMAGE_BYTES
    cache = open_cache(make(root, encoded), list(encoded), SMALL, strict=False)
    assert cache.ids[cache.unreadable].tolist() == [104]
    assert "is larger than 50,000,000 bytes" in cache.problems[104]
