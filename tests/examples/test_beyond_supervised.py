"""The examples of other algorithms than supervised training, in a short form."""

import re

import pytest


def numbers(line):
    return [float(number) for number in re.findall(r"\d+\.\d+", line)]


@pytest.mark.slow
def test_a_gan_draws(run_example):
    lines = run_example("gan.py", "--epochs=2", "--noise=8")
    critic, artist = numbers(lines[1])
    assert lines[1].startswith("epoch   2: critic")
    assert 0.3 < critic < 2 and 0.3 < artist < 4
    assert len(lines) == 2 + 2 * 11 and "@" in "".join(lines[2:])


@pytest.mark.slow
def test_a_vae_loses_less_with_time(run_example):
    lines = run_example("vae.py", "--epochs=3")
    losses = [sum(numbers(line)) for line in lines[:4]]
    assert [line.split()[0] for line in lines[:4]] == ["epoch"] * 3 + ["test:"]
    assert losses[0] > losses[1] > losses[2] and losses[3] < 170


@pytest.mark.slow
def test_what_is_alike_is_learned_without_a_label(run_example):
    lines = run_example("contrastive.py", "--epochs=4")
    (before,), (after,) = numbers(lines[0]), numbers(lines[-1])
    assert before < 30 and after > 50


@pytest.mark.slow
def test_a_policy_learns_to_balance(run_example):
    lines = run_example("policy.py", "--epochs=8", "--steps=100")
    assert numbers(lines[0])[0] < 40
    assert numbers(lines[-1])[0] > 70


@pytest.mark.slow
def test_what_is_frozen_does_not_move(run_example):
    lines = run_example("fine_tune.py", "--epochs=2")
    assert numbers(lines[0])[0] < 6 and numbers(lines[1])[0] < 20


@pytest.mark.slow
def test_a_sweep_finds_the_best_rate(run_example, offline):
    lines = run_example("sweep.py", "--members=6", "--epochs=1")
    assert lines[0].startswith("No MNIST")
    errors = [numbers(line)[1] for line in lines[1:7]]
    rate, error = numbers(lines[7])
    assert error == min(errors) < 20 and rate > 0.01
    assert errors[0] > 20
