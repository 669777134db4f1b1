"""What XLA does not tell is said, and what a reader must know of its numbers."""

import jax
import jax.numpy as jnp

import tntjax as tnt

ONES = jnp.ones((3, 3))
NO_FLOPS = f"The forward pass: XLA does not tell FLOPs on {jax.default_backend()}."


def product(params, input):  # of what an accelerator needs no library for
    return input * params


def notes(network):
    return tnt.summary(network, ONES, ONES).notes[1:]


def test_there_is_nothing_to_note_of_a_plain_network():
    assert notes(product) == ()


def test_a_loop_counts_once():
    def network(params, input):
        return jax.lax.fori_loop(0, 10, lambda _, x: x @ params, input)

    cost = tnt.summary(network, ONES, ONES).costs["forward pass"]
    assert cost.loops and cost.flops < 2 * (2 * 3 * 3 * 3)
    assert notes(network) == (
        "The forward pass has a loop: its body is counted once in FLOPs and bytes.",
    )


def test_calls_of_libraries_are_not_in_the_bytes():
    def network(params, input):
        return jnp.linalg.cholesky(input @ params)

    (note,) = notes(network)
    assert note.startswith("The forward pass calls libraries 1 times")


def test_a_backend_without_an_analysis(monkeypatch):
    monkeypatch.setattr(jax.stages.Lowered, "cost_analysis", lambda self: None)
    monkeypatch.setattr(jax.stages.Compiled, "cost_analysis", lambda self: None)
    monkeypatch.setattr(jax.stages.Compiled, "memory_analysis", lambda self: None)
    summary = tnt.summary(product, ONES, ONES)
    assert summary.costs["forward pass"].memory is None
    assert summary.notes[1:] == (
        "The forward pass: XLA does not tell FLOPs and bytes accessed and memory on"
        f" {jax.default_backend()}.",
    )
    row = "forward pass      -         -       -          -        -            -"
    assert row in str(summary)


def test_without_a_cpu_there_are_no_flops(monkeypatch):
    def devices(backend=None):
        raise RuntimeError(f"Unknown backend {backend}")

    monkeypatch.setattr(jax, "local_devices", devices)
    assert notes(product) == (NO_FLOPS,)


def test_a_number_below_zero_is_not_known(monkeypatch):
    monkeypatch.setattr(jax.stages.Lowered, "cost_analysis", lambda self: {"flops": -1})
    assert notes(product) == (NO_FLOPS,)


def test_each_row_has_notes_of_its_own():
    def network(params, input):
        return jax.lax.scan(lambda x, _: (x * params, None), input, length=10)[0]

    step = {"target": ONES, "criterion": lambda o, t: ((o - t) ** 2).mean()}
    notes = tnt.summary(network, ONES, ONES, **step).notes[1:]
    assert [note.split(" has ")[0] for note in notes] == [
        "The forward pass",
        "The train step",
    ]
