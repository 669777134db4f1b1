"""Meters: each a monoid that measures what it is given."""

from tntjax.meter._ap import APMeter
from tntjax.meter._auc import AUCMeter
from tntjax.meter._average_value import AverageValueMeter
from tntjax.meter._balanced_accuracy import BalancedAccuracyMeter
from tntjax.meter._binned_ap import BinnedAPMeter
from tntjax.meter._binned_auc import BinnedAUCMeter
from tntjax.meter._calibration_error import CalibrationErrorMeter
from tntjax.meter._class_error import ClassErrorMeter
from tntjax.meter._cohen_kappa import CohenKappaMeter
from tntjax.meter._confusion import ConfusionMeter
from tntjax.meter._correlation import CorrelationMeter
from tntjax.meter._f_score import FScoreMeter
from tntjax.meter._histogram import HistogramMeter
from tntjax.meter._hit_rate import HitRateMeter
from tntjax.meter._log_loss import LogLossMeter
from tntjax.meter._map import mAPMeter
from tntjax.meter._matthews import MatthewsMeter
from tntjax.meter._mean_absolute_error import MeanAbsoluteErrorMeter
from tntjax.meter._mean_reciprocal_rank import MeanReciprocalRankMeter
from tntjax.meter._meter import Meter
from tntjax.meter._meter_dict import MeterDict
from tntjax.meter._moving_average_value import MovingAverageValueMeter
from tntjax.meter._mse import MSEMeter
from tntjax.meter._multi_label_confusion import MultiLabelConfusionMeter
from tntjax.meter._ndcg import NDCGMeter
from tntjax.meter._precision import PrecisionMeter
from tntjax.meter._precision_at_k import PrecisionAtKMeter
from tntjax.meter._precision_recall_curve import PrecisionRecallCurveMeter
from tntjax.meter._quantile import QuantileMeter
from tntjax.meter._r2 import R2Meter
from tntjax.meter._rate import RateMeter
from tntjax.meter._recall import RecallMeter
from tntjax.meter._recall_at_k import RecallAtKMeter
from tntjax.meter._roc_curve import ROCCurveMeter
from tntjax.meter._specificity import SpecificityMeter
from tntjax.meter._time import TimeMeter

__all__ = [
    "APMeter",
    "AUCMeter",
    "AverageValueMeter",
    "BalancedAccuracyMeter",
    "BinnedAPMeter",
    "BinnedAUCMeter",
    "CalibrationErrorMeter",
    "ClassErrorMeter",
    "CohenKappaMeter",
    "ConfusionMeter",
    "CorrelationMeter",
    "FScoreMeter",
    "HistogramMeter",
    "HitRateMeter",
    "LogLossMeter",
    "MSEMeter",
    "MatthewsMeter",
    "MeanAbsoluteErrorMeter",
    "MeanReciprocalRankMeter",
    "Meter",
    "MeterDict",
    "MovingAverageValueMeter",
    "MultiLabelConfusionMeter",
    "NDCGMeter",
    "PrecisionAtKMeter",
    "PrecisionMeter",
    "PrecisionRecallCurveMeter",
    "QuantileMeter",
    "R2Meter",
    "ROCCurveMeter",
    "RateMeter",
    "RecallAtKMeter",
    "RecallMeter",
    "SpecificityMeter",
    "TimeMeter",
    "mAPMeter",
]
