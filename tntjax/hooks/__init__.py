"""Ready-made plugins: each a function that returns a Hooks value."""

from tntjax.hooks._checkpoint import checkpoint
from tntjax.hooks._early_stopping import early_stopping
from tntjax.hooks._ema import ema, ema_params
from tntjax.hooks._learning_rate import learning_rate
from tntjax.hooks._loss_scaling import loss_scaling
from tntjax.hooks._metering import metering
from tntjax.hooks._nan_guard import NonFiniteError, nan_guard
from tntjax.hooks._plateau import plateau
from tntjax.hooks._profile import profile
from tntjax.hooks._progress import progress
from tntjax.hooks._record import record
from tntjax.hooks._timing import Timing, timing
from tntjax.hooks._validate import validate

__all__ = [
    "NonFiniteError",
    "Timing",
    "checkpoint",
    "early_stopping",
    "ema",
    "ema_params",
    "learning_rate",
    "loss_scaling",
    "metering",
    "nan_guard",
    "plateau",
    "profile",
    "progress",
    "record",
    "timing",
    "validate",
]
