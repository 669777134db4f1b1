"""What needs an optional package is tested where it is: `.[test,all,interop]`.

With TNTJAX_REQUIRE_EXTRAS=1, as in .ci/run, a missing package is an error instead.
"""

import importlib.util
import os

TENSORBOARD = [
    "docs/log.md",
    "tests/hooks/test_trackers.py",
    "tests/log/test_tensorboard_view.py",
    "tntjax/log/_tensorboard.py",
]

NEEDED_BY = {
    "flax": [
        "docs/networks.md",
        "tests/examples/test_cifar10_resnet.py",
        "tests/examples/test_fashion_mnist_cnn.py",
        "tests/network/linen_network.py",
        "tests/network/test_linen.py",
        "tests/network/test_groups.py",
        "tests/network/test_module_flags.py",
        "tests/network/nnx_network.py",
        "tests/network/test_nnx.py",
        "tntjax/network/_linen.py",
        "tntjax/network/_nnx.py",
    ],
    "equinox": [
        "docs/networks.md",
        "tests/examples/test_equinox_mlp.py",
        "tests/network/equinox_network.py",
        "tests/network/test_equinox.py",
        "tests/network/test_groups.py",
        "tests/network/test_module_flags.py",
        "tntjax/network/_equinox.py",
    ],
    "PIL": ["tests/vision/test_augment.py", "tests/vision/test_resize.py"],
    "skimage": ["tests/vision/test_image_meters.py"],
    "mlflow": ["tests/log/test_mlflow_server.py", "tntjax/log/_mlflow.py"],
    "pycocotools": [
        "tests/vision/coco.py",
        "tests/vision/test_coco.py",
        "tests/vision/test_hard_files.py",
        "tests/vision/test_coco_map.py",
        "tests/vision/test_rle.py",
        "tntjax/vision/_rle.py",
    ],
    "sacrebleu": [
        "tests/text/test_bleu_and_chr_f.py",
        "tests/text/test_published_scores.py",
        "tntjax/text/_bleu.py",
    ],
    "sacremoses": ["tntjax/text/_moses.py"],
    "simplejpeg": ["tests/vision/test_decode_image.py"],
    "orbax": [
        "tests/checkpoint",
        "tests/docs/test_resume.py",
        "tests/examples/test_resume.py",
        "tests/hooks/test_checkpoint.py",
    ],
    "haiku": [
        "docs/networks.md",
        "tests/network/haiku_network.py",
        "tests/network/test_haiku.py",
        "tests/network/test_groups.py",
        "tests/network/test_module_flags.py",
        "tntjax/network/_haiku.py",
    ],
    "tensorboard": TENSORBOARD,
    "tensorboardX": TENSORBOARD,
    "torchmetrics": ["tests/meter/test_against_torchmetrics.py"],
    "trackio": ["tests/log/test_tracker_of_trackio.py"],
    "wandb": ["tests/log/test_tracker_of_wandb.py"],
}

REQUIRED = os.environ.get("TNTJAX_REQUIRE_EXTRAS") == "1"
MISSING = [n for n in NEEDED_BY if not REQUIRED and not importlib.util.find_spec(n)]

collect_ignore = sorted({path for name in MISSING for path in NEEDED_BY[name]})


def pytest_report_header() -> list[str]:
    """Names what is left out, so that nobody takes it for tested."""
    return [f"not installed, so not tested: {', '.join(MISSING)}"] if MISSING else []
