"""The rows of a batch: how many there are, which of them count, how they are cut."""

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._struct import describe
from tntjax._types import Sample

UNBATCHED = """the step sees one sample with input {input} and target {target}, not a \
batch, and counts it as one. To train on batches wrap the dataset: \
tnt.BatchDataset(dataset, 64). If all rows of a batch share the target, repeat it for \
each row."""

LATE_MASK = """state.sample["mask"] was changed in on_forward, but which rows count is \
settled by then: set it in on_sample."""


def read_field(sample: Sample, name: str) -> Any:
    """Returns a field of a sample, or raises a KeyError that lists its fields."""
    if isinstance(sample, dict) and name in sample:
        return sample[name]
    # Keys of several types cannot be sorted.
    came = list(sample) if isinstance(sample, dict) else describe(sample)
    alone = " A criterion may also take the output alone." if name == "target" else ""
    raise KeyError(
        f"The engine reads sample[{name!r}], but the sample is {came}. Name the fields"
        " 'input' and 'target', in the dataset or in on_sample:"
        f" state.replace(sample={{'input': ..., 'target': ...}}).{alone}"
    )


def check_mask(before: Sample, after: Sample) -> None:
    """Raises a TypeError if hooks of on_forward have set another mask."""
    masks = [s.get("mask") if isinstance(s, dict) else None for s in (before, after)]
    if masks[0] is not masks[1]:  # traced, they have no values to compare
        raise TypeError(LATE_MASK)


def count_rows(sample: Sample) -> int:
    """Counts the rows of a batch, those that a mask hides too.

    The first axis of `input` tells. Where its leaves differ, as in a batch of graphs,
    the mask tells, or the target. A sample whose target has no axes is one row.

    Raises:
      ValueError: if the fields differ, or nothing tells.
      TypeError: if the mask is not a bool [B].
    """
    input, mask = read_field(sample, "input"), sample.get("mask")
    if mask is not None and (jnp.ndim(mask) != 1 or jnp.result_type(mask) != jnp.bool_):
        raise TypeError(
            f"sample['mask'] must be a bool [B], got {describe(mask)}."
            f" {_advise_mask(mask)}"
        )
    if is_unbatched(sample):
        return 1
    others = [find_lengths(mask), find_lengths(sample.get("target"))]
    # The first that has one length tells: input, then mask, then target.
    told = [lengths for lengths in (find_lengths(input), *others) if len(lengths) == 1]
    # What has no axis, such as a target for the whole batch, tells nothing and is fine.
    if not told or not all(lengths <= told[0] for lengths in others):
        raise ValueError(_describe_rows(sample))
    return next(iter(told[0]))


def _advise_mask(mask: Any) -> str:
    """Tells what to write instead of a mask that is not a bool [B]."""
    shape = jnp.shape(mask)
    if not shape:
        return "A batch has one value for each row: np.full(len(input), mask)."
    if shape[1:] not in {(), (1,)}:  # [B, T]
        return "A mask of parts of a row, such as tokens, needs another name."
    flat = "mask[:, 0]" if shape[1:] else "mask"
    if jnp.result_type(mask) == jnp.bool_:
        return f"Write {flat}."
    return f"For numbers write {flat} != 0; weights of rows belong into the criterion."


def find_row_mask(sample: Sample) -> Any:
    """Returns the mask of a sample of any form, None if there is no bool [B]."""
    mask = sample.get("mask") if isinstance(sample, dict) else None
    kind, shape = getattr(mask, "dtype", None), getattr(mask, "shape", ())
    return mask if kind == np.bool_ and len(shape) == 1 else None


def count_examples(sample: Sample) -> jax.Array:
    """Counts the rows of a batch that count, [] int32."""
    if "mask" in sample:
        return jnp.sum(sample["mask"], dtype=jnp.int32)
    return jnp.int32(count_rows(sample))


def is_unbatched(sample: Sample) -> bool:
    """True if a sample is not a batch, as neither its target nor a mask has rows."""
    read = [sample[name] for name in ("target", "mask") if name in sample]
    leaves = jax.tree.leaves(read or sample["input"])
    return bool(leaves) and not any(map(jnp.ndim, leaves))  # all []


def check_batch(sample: Sample, warned: set[str]) -> None:
    """Checks that the rows of a batch can be counted, and warns of a single sample."""
    count_rows(sample)
    if "target" in sample and is_unbatched(sample) and UNBATCHED not in warned:
        warned.add(UNBATCHED)
        shown = {name: describe(sample[name]) for name in ("input", "target")}
        warnings.warn(f"tntjax: {UNBATCHED.format(**shown)}", stacklevel=2)


def fill_hidden(sample: Sample) -> Sample:
    """Puts the first row that counts in the place of those that a mask hides.

    So what the network and the criterion compute of hidden rows is finite if it is of
    the others, and its gradient, which is multiplied by zero, is zero. If none counts,
    they are zeros.
    """
    if "mask" not in sample or not len(sample["mask"]):
        return sample
    mask = jnp.asarray(sample["mask"])
    first, some = jnp.argmax(mask), jnp.any(mask)  # [], the first True

    def fill(leaf: Any) -> Any:
        leaf = jnp.asarray(leaf)
        if not _is_column(leaf, len(mask)):
            return leaf
        shown = mask.reshape(-1, *[1] * (leaf.ndim - 1))  # [B, 1, ...]
        return jnp.where(shown, leaf, jnp.where(some, leaf[first], 0))

    read = {name: sample[name] for name in ("input", "target") if name in sample}
    return {**sample, **jax.tree.map(fill, read)}


def cut_rows(whole: Sample, number: int) -> tuple[Sample | None, Sample]:
    """Cuts a batch into pieces of equal length, but for the last, if need be.

    What has the length of the batch is cut, what has not goes to each piece.

    Raises:
      ValueError: if the leaves of `input` do not have the same rows.
    """
    rows = count_rows(whole)
    if len(find_lengths(whole["input"])) > 1 and not is_unbatched(whole):
        raise ValueError(
            f"accumulate cannot cut a batch of this form. {_describe_rows(whole)}"
        )
    size = max(-(-rows // number), 1)  # rounded up, so there may be fewer pieces
    pieces = max(-(-rows // size), 1) - 1  # without the last
    if not pieces:
        return None, whole
    full = pieces * size  # rows of the pieces before the last

    def stack(leaf: Any) -> Any:
        if _is_column(leaf, rows):
            return leaf[:full].reshape(pieces, size, *leaf.shape[1:])  # [P, size, ...]
        return jnp.broadcast_to(leaf, (pieces, *jnp.shape(leaf)))  # [P, ...]

    last = jax.tree.map(lambda x: x[full:] if _is_column(x, rows) else x, whole)
    return jax.tree.map(stack, whole), last


def _is_column(leaf: Any, rows: int) -> bool:
    return jnp.ndim(leaf) > 0 and jnp.shape(leaf)[0] == rows  # [B, ...]


def find_lengths(tree: Any) -> set[int]:
    """Collects the first axes of the leaves that have one."""
    return {shape[0] for leaf in jax.tree.leaves(tree) if (shape := jnp.shape(leaf))}


def _describe_rows(sample: Sample) -> str:
    fields = ("input", "target", "mask")
    shown = {name: sample[name] for name in fields if name in sample}
    return (
        "The input, the target and the mask of a batch must have the same number of"
        f" rows, their first axis; got {describe(shown)}. If this is one sample and"
        " not a batch, wrap the dataset: tnt.BatchDataset(dataset, 64)."
    )
