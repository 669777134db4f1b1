"""Vision: image data sets, decoding, transforms on a device, boxes and meters."""

from tntjax.vision._augment import rand_augment, trivial_augment
from tntjax.vision._blur import gaussian_blur
from tntjax.vision._boxes import box_giou, box_iou, convert_boxes
from tntjax.vision._cifar import cifar10, cifar100, cifar_classes
from tntjax.vision._coco_captions import CocoCaptions
from tntjax.vision._coco_detection import CocoDetection
from tntjax.vision._coco_map import CocoMAPMeter, CocoScores
from tntjax.vision._color import color_jitter, grayscale
from tntjax.vision._compose import compose
from tntjax.vision._crop import center_crop, random_crop
from tntjax.vision._decode import decode_image
from tntjax.vision._dice import DiceMeter
from tntjax.vision._erase import random_erasing
from tntjax.vision._fit import fit_boxes, fit_image
from tntjax.vision._flip import draw_flips, flip_boxes, random_flip
from tntjax.vision._idx import read_idx
from tntjax.vision._image_folder import ImageFolder
from tntjax.vision._imagenet import ImageNet
from tntjax.vision._images import example_keys
from tntjax.vision._mean_iou import MeanIoUMeter, Overlap
from tntjax.vision._mix import cutmix, mixup
from tntjax.vision._mnist import mnist, mnist_sample
from tntjax.vision._nms import Kept, nms
from tntjax.vision._normalize import normalize, to_float
from tntjax.vision._pad_boxes import pad_boxes
from tntjax.vision._psnr import PSNRMeter
from tntjax.vision._resize import crop_resize, random_resized_crop, resize
from tntjax.vision._rle import (
    polygons_to_rle,
    rle_area,
    rle_decode,
    rle_encode,
    rle_iou,
)
from tntjax.vision._ssim import SSIMMeter
from tntjax.vision._tar_index import TarIndex
from tntjax.vision._window import crop_boxes, draw_windows

__all__ = [
    "CocoCaptions",
    "CocoDetection",
    "CocoMAPMeter",
    "CocoScores",
    "DiceMeter",
    "ImageFolder",
    "ImageNet",
    "Kept",
    "MeanIoUMeter",
    "Overlap",
    "PSNRMeter",
    "SSIMMeter",
    "TarIndex",
    "box_giou",
    "box_iou",
    "center_crop",
    "cifar10",
    "cifar100",
    "cifar_classes",
    "color_jitter",
    "compose",
    "convert_boxes",
    "crop_boxes",
    "crop_resize",
    "cutmix",
    "decode_image",
    "draw_flips",
    "draw_windows",
    "example_keys",
    "fit_boxes",
    "fit_image",
    "flip_boxes",
    "gaussian_blur",
    "grayscale",
    "mixup",
    "mnist",
    "mnist_sample",
    "nms",
    "normalize",
    "pad_boxes",
    "polygons_to_rle",
    "rand_augment",
    "random_crop",
    "random_erasing",
    "random_flip",
    "random_resized_crop",
    "read_idx",
    "resize",
    "rle_area",
    "rle_decode",
    "rle_encode",
    "rle_iou",
    "to_float",
    "trivial_augment",
]
