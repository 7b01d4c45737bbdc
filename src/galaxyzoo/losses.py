"""What training minimises, by the config's name."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

Loss = Callable[[Tensor, Tensor], Tensor]  # (B, column) predictions, (B, column) targets -> ()

LOSSES: dict[str, Loss] = {"mse": functional.mse_loss}
