"""A ResNet-18 of flax on CIFAR-10: `pip install "tntjax[flax]"`. Try --help.

Images are augmented on the device, in the compiled step; the network computes in
bfloat16, and a running average of its parameters is what is tested. Where CIFAR-10 is
not, it learns Fashion-MNIST.
"""

import argparse
import functools

import optax
from flax import nnx

import tntjax as tnt

parser = argparse.ArgumentParser(description=__doc__)
for flag, default in (("--epochs", 60), ("--batch-size", 128), ("--lr", 0.1)):
    parser.add_argument(flag, type=type(default), default=default)
parser.add_argument("--data-dir", help="a folder that has the files")
parser.add_argument("--width", type=int, default=64, help="channels of the first stage")
parser.add_argument("--blocks", type=int, default=2, help="of each stage")
parser.add_argument("--size", type=int, help="how many examples to learn from")
args = parser.parse_args()

READERS = {
    "CIFAR-10": tnt.vision.cifar10,
    "Fashion-MNIST": functools.partial(tnt.vision.mnist, variant="fashion"),
    "the digits inside": lambda split, _: tnt.vision.mnist_sample(split),
}


def load():
    for name, read in READERS.items():
        try:
            return name, read("train", args.data_dir), read("test", args.data_dir)
        except FileNotFoundError:
            print(f"{name} is not here.")
    raise SystemExit(1)


name, train, test = load()
if args.size:
    train = tnt.ResampleDataset(train, size=args.size)
side, channels = train[0]["input"].shape[0], train[0]["input"].shape[2:] or (1,)


class Block(nnx.Module):
    def __init__(self, inputs, outputs, stride, rngs):
        conv = functools.partial(nnx.Conv, use_bias=False, rngs=rngs)
        self.conv1 = conv(inputs, outputs, (3, 3), strides=stride)
        self.norm1 = nnx.BatchNorm(outputs, momentum=0.9, rngs=rngs)
        self.conv2 = conv(outputs, outputs, (3, 3))
        self.norm2 = nnx.BatchNorm(outputs, momentum=0.9, rngs=rngs)
        alike = inputs == outputs and stride == 1
        self.skip = None if alike else conv(inputs, outputs, (1, 1), strides=stride)

    def __call__(self, x):  # [B, H, W, inputs] -> [B, H/stride, W/stride, outputs]
        y = self.norm2(self.conv2(nnx.relu(self.norm1(self.conv1(x)))))
        return nnx.relu(y + (x if self.skip is None else self.skip(x)))


class ResNet(nnx.Module):
    def __init__(self, rngs):
        width, blocks = args.width, []
        self.stem = nnx.Conv(*channels, width, (3, 3), use_bias=False, rngs=rngs)
        for stage in range(4):
            outputs = args.width << stage
            for place in range(args.blocks):
                stride = 2 if stage and not place else 1
                blocks.append(Block(width, outputs, stride, rngs))
                width = outputs
        self.blocks = nnx.Sequential(*blocks)
        self.head = nnx.Linear(width, 10, rngs=rngs)

    def __call__(self, x):  # [B, H, W, C] -> [B, 10]
        return self.head(self.blocks(self.stem(x)).mean((1, 2)))


# Not pad-last: what fills the last batch up would count in the batch norms.
batches = tnt.shuffle_and_batch(train, args.batch_size, policy="skip-last")
normalize = functools.partial(tnt.vision.normalize, mean=0.47, std=0.25)
flips = 0.0 if name == "the digits inside" else 0.5
augment = tnt.vision.compose(
    functools.partial(tnt.vision.random_crop, size=side, pad=side // 8),
    functools.partial(tnt.vision.random_flip, rate=flips),
    functools.partial(tnt.vision.random_erasing, rate=0.25),
    normalize,
)


def prepare(state):  # compiled: uint8 travels, and is augmented on the device
    images = state.sample["input"].reshape(-1, side, side, *channels)
    images = augment(state.key, images) if state.training else normalize(images)
    return state.replace(sample={**state.sample, "input": images})


def show(state, when):
    loss, accuracy = (state.meters[n].value() for n in ("loss", "accuracy"))
    print(f"{when:10} loss {loss.mean:.4f}  accuracy {accuracy[1]:5.2f} %")
    return state


hooks = tnt.chain(
    tnt.Hooks(on_sample=prepare),
    tnt.hooks.metering("loss", "accuracy"),
    tnt.hooks.ema(0.995, debias=True),
    tnt.Hooks(on_end_epoch=lambda s: show(s, f"epoch {s.epoch}:")),
)
steps = args.epochs * len(batches(0))
rate = optax.cosine_onecycle_schedule(max(steps, 2), args.lr, pct_start=0.2)
optimizer = optax.chain(
    optax.add_decayed_weights(5e-4), optax.sgd(rate, momentum=0.9, nesterov=True)
)
network, params, model_state = tnt.network.nnx(ResNet(nnx.Rngs(0)))
network = tnt.network.mixed_precision(network)
engine = tnt.OptimEngine(hooks)
job = {
    "network": network,
    "criterion": optax.softmax_cross_entropy_with_integer_labels,
}
print(f"{name}: {len(train):,} examples to learn from")
state = engine.train(
    **job,
    iterator=tnt.DatasetIterator(batches),
    params=params,
    model_state=model_state,
    optimizer=optimizer,
    max_epoch=args.epochs,
)
padded = tnt.BatchDataset(test, 512, policy="pad-last")  # with a mask for the meters
state = engine.test(
    **job,
    iterator=tnt.DatasetIterator(padded),
    params=tnt.hooks.ema_params(state),
    model_state=state.model_state,
)
show(state, "test:")
