"""Choose how many folds are trained at a time, by cores and memory."""

from collections.abc import Mapping, Sequence

import joblib
import torch

from galaxyzoo.config.schema import Config
from galaxyzoo.core import devices
from galaxyzoo.core.memory import memory_bytes
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.training import probe

_FOLD_BYTES = 3e9  # memory of a fold in training: its process, network and batches
_FEW_IMAGES = 20_000  # are trained before the processes for several folds have started


def choose_jobs(configs: Sequence[Config], datasets: Mapping[str | None, Dataset]) -> int:
    """Choose how many folds to train at a time: as many as have a core and memory.

    Two on a core each train 1.1 to 1.6 times as fast as one after the other on both cores
    (docs/lab/performance.md). On a GPU each has two cores, and the memory of a step, which is
    tried. It does not depend on what is finished: a fold's bytes depend on its threads.

    Args:
        configs: of all runs, stages too.
        datasets: by the configs' `dataset`.
    """
    images = 0
    for config in configs:
        data = datasets[config.dataset]  # whole: about as many as the task's
        images += len(data.ids) * (data.n_folds - 1) * config.train.epochs
    is_gpu = devices.get_device().type != "cpu"
    lacks_gpu = not is_gpu and any(config.needs_gpu for config in configs)
    if images < _FEW_IMAGES or lacks_gpu:
        return 1
    cores = joblib.cpu_count()
    fit = int(memory_bytes() / _FOLD_BYTES)
    if is_gpu:
        cores //= 2
        fit = min(fit, _count_on_gpus(configs, datasets))
    return max(1, min(datasets[None].n_folds, cores, fit))


def _count_on_gpus(configs: Sequence[Config], datasets: Mapping[str | None, Dataset]) -> int:
    """Count the folds that the GPUs' memory has room for, by the run that needs most."""
    distinct = {}  # one config of each network, image size, batch size and teacher
    for config in configs:
        network = (config.model.model_dump_json(), config.image, config.train.batch_size)
        distinct[network, repr(config.teacher)] = config
    fold_bytes = 0.0
    for config in distinct.values():
        fold_bytes = max(fold_bytes, probe.gpu_bytes(config, datasets[config.dataset]))
    free, _ = torch.cuda.mem_get_info()
    return devices.count_gpus() * int(free / fold_bytes)
