"""Too little memory: how that is known, and what to do about it."""

import gc

import torch

from galaxyzoo.config import TrainConfig
from galaxyzoo.errors import FoldError


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the accelerator's or the machine's memory is used up."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error)  # the CPU's allocator and CUDA's libraries raise a plain RuntimeError
    signs = (
        "DefaultCPUAllocator",
        "could not create a primitive",  # oneDNN
        "bad_alloc",
        "_STATUS_ALLOC_FAILED",  # cuBLAS, cuDNN
    )
    return isinstance(error, RuntimeError) and any(sign in text for sign in signs)


def release() -> None:
    """Give back what nothing uses; to be called when the error, which holds tensors, is gone."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def more_parts(train: TrainConfig, parts: int, where: str) -> int:
    """Into how many parts to cut the batches that did not fit in so many.

    Args:
        train: settings.
        parts: with which the memory was used up.
        where: run and fold, for the message.
    Returns:
        Twice as many; each keeps two images at least, which batch norm needs.
    Raises:
        FoldError: the config asks to stop, or the parts are as small as they can be.
    """
    if train.on_out_of_memory == "stop" or parts >= _most_parts(train):
        raise out_of_memory(train, parts, where)
    return min(2 * parts, _most_parts(train))


def out_of_memory(train: TrainConfig, parts: int, where: str) -> FoldError:
    """The error that says what to do; arguments as of `more_parts`."""
    happened = f"{where}: out of memory on batches of {train.batch_size} images"
    if parts > 1:
        happened += f" in {parts} parts"
    if parts >= _most_parts(train):
        return FoldError(f"{happened}: train anew with a smaller image.size_px or network")
    more = min(2 * parts, _most_parts(train))
    return FoldError(
        f"{happened}: add train.on_out_of_memory=accumulate to go on with smaller parts, or train "
        f"anew with train.accumulation={more} or a smaller train.batch_size"
    )


def _most_parts(train: TrainConfig) -> int:
    return max(1, train.batch_size // 2)
