"""Meters: each a monoid that measures what it is given."""

from tntjax.meter._ap import APMeter
from tntjax.meter._auc import AUCMeter
from tntjax.meter._average_value import AverageValueMeter
from tntjax.meter._binned_ap import BinnedAPMeter
from tntjax.meter._binned_auc import BinnedAUCMeter
from tntjax.meter._class_error import ClassErrorMeter
from tntjax.meter._map import mAPMeter
from tntjax.meter._ndcg import NDCGMeter
from tntjax.meter._precision_at_k import PrecisionAtKMeter
from tntjax.meter._precision_recall_curve import PrecisionRecallCurveMeter
from tntjax.meter._roc_curve import ROCCurveMeter
from tntjax.meter._time import TimeMeter

__all__ = [
    "APMeter",
    "AUCMeter",
    "AverageValueMeter",
    "BinnedAPMeter",
    "BinnedAUCMeter",
    "ClassErrorMeter",
    "NDCGMeter",
    "PrecisionAtKMeter",
    "PrecisionRecallCurveMeter",
    "ROCCurveMeter",
    "TimeMeter",
    "mAPMeter",
]
