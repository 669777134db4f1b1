"""Why an epoch had nothing in it, in the user's terms."""

from collections.abc import Iterator
from typing import Any

from tntjax._types import Dataset, SampleIterator, is_dataset

BEYOND = """the State goes on after sample {position} of epoch {epoch}, but the \
iterator has fewer. Go on with the iterator that it came from: batches of another size \
are others."""


def has_sample(iterator: SampleIterator, epoch: int, position: int) -> bool:
    """True if there is a sample at a position of an epoch."""
    for _ in iterator.chunks(epoch, position, lambda *_, **__: 1):  # of one sample
        return True
    return False


def explain_nothing(iterator: Any, epoch: int, start: int) -> None:
    """Raises a ValueError if an epoch has no sample, unless all are before `start`."""
    if start:
        if not has_sample(iterator, epoch, start - 1):  # the last one that was used
            raise ValueError(BEYOND.format(position=start, epoch=epoch))
        return
    layers = [(type(d).__name__, len(d), d) for d in _find_layers(iterator, epoch)]
    raise ValueError(
        f"There is nothing to train or test on: {type(iterator).__name__} has no sample"
        f" in epoch {epoch}. {_explain_layers(iterator, layers)}"
    )


def _find_layers(iterator: Any, epoch: int) -> Iterator[Dataset]:
    """Yields the dataset that is read and, one by one, those that it wraps."""
    # A DatasetIterator knows by which arguments its source wants to be called.
    make = getattr(iterator, "_make_dataset", None)
    source = make(epoch) if callable(make) else getattr(iterator, "source", None)
    while is_dataset(source):
        yield source
        source = getattr(source, "dataset", None)


def _explain_layers(iterator: Any, layers: list[tuple[str, int, Any]]) -> str:
    # From the outermost in: the last empty one is where the samples are lost.
    empty = [number for number, (_, length, _) in enumerate(layers) if not length]
    if not layers:
        return "Look at what it iterates over: next(iter(iterator))."
    if not empty:
        return _explain_filter(iterator, layers)
    name, _, dataset = layers[empty[-1]]
    if empty[-1] == len(layers) - 1:
        return f"The dataset, of type {name}, is empty: its len is 0."
    inner, length, _ = layers[empty[-1] + 1]
    if getattr(dataset, "policy", None) == "skip-last":
        return (
            f"{name} has {length} samples and batch_size={dataset.batch_size}, and"
            f" policy='skip-last' leaves out what is not full. Take a batch_size"
            f" of at most {length}, or policy='include-last'."
        )
    return f"{name} makes no sample of the {length} samples of {inner}."


def _explain_filter(iterator: Any, layers: list[tuple[str, int, Any]]) -> str:
    name, length, _ = layers[0]
    who = [type(iterator).__name__] if getattr(iterator, "filter", None) else []
    who += [name for name, _, d in layers if getattr(d, "filter", None) is not None]
    if who:
        return f"The filter of {who[0]} drops everything of the {length} samples there."
    # Samples came, as nothing drops any, but none had a row: `Epoch._next`.
    return f"The {length} samples of {name} are arrays without a row."
