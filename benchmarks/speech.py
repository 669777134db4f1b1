"""Features of speech, beside librosa and Kaldi; and reading a tree of LibriSpeech.

Run: python benchmarks/speech.py [--turns 5] [--files 10000] [--workers 2]

64 utterances of 15 s become log-mel features, turn by turn in one process: with the
settings of Whisper beside librosa's `melspectrogram`, with those of Kaldi beside
kaldi-native-fbank. Peers take an utterance at a time, in as many threads as there are
workers, and those take part that are installed. Printed are median seconds, and medians
of the ratios of a peer's time to ours in the same turn.

Then a tree in the layout of LibriSpeech is written (one recording under many names),
its index is made and all lengths are read from headers, without decoding; and its FLAC
are decoded by `ParallelDatasetIterator`, beside as many plain loops as workers.
"""

import argparse
import importlib.util
import os
import platform
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np
import soundfile

import tntjax as tnt

COUNT, SECONDS, RATE = 64, 15, 16000
LIBROSA, KALDI, MOST_SECONDS, OF_LOOPS = 2.0, 1.0, 2.0, 0.9


def make_waves():
    rng, t = np.random.default_rng(0), np.arange(SECONDS * RATE) / RATE
    tones = rng.uniform(80, 4000, (COUNT, 1)) * (1 + 0.1 * np.sin(t))
    noise = rng.normal(0, 0.01, (COUNT, len(t)))
    return (0.2 * np.sin(2 * np.pi * tones * t) + noise).astype(np.float32)


def ours(waves, preset):
    compute = jax.jit(lambda x: tnt.speech.log_mel(x, preset=preset).values)
    return lambda: np.asarray(compute(waves))


def librosa_features(waves, pool):
    import librosa

    settings = {"sr": RATE, "n_fft": 400, "hop_length": 160, "n_mels": 80}

    def features(wave):
        power = librosa.feature.melspectrogram(y=wave, **settings)
        return librosa.power_to_db(power).T

    return lambda: np.stack(list(pool.map(features, waves)))


def kaldi_features(waves, pool):
    import kaldi_native_fbank as kaldi

    options = kaldi.FbankOptions()
    options.frame_opts.dither, options.mel_opts.num_bins = 0, 80

    def features(wave):
        computer = kaldi.OnlineFbank(options)
        computer.accept_waveform(RATE, wave)
        computer.input_finished()
        count = computer.num_frames_ready
        return np.stack([computer.get_frame(number) for number in range(count)])

    samples = list(waves * np.float32(32768))
    return lambda: np.stack(list(pool.map(features, samples)))


def compare(runs, turns):
    """Runs all once, then turn by turn; returns the seconds of each."""
    for run in runs.values():
        run()
    seconds = {name: [] for name in runs}
    for _ in range(turns):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def ratio(seconds, peer, own):
    pairs = zip(seconds[peer], seconds[own], strict=True)
    return statistics.median(peer / own for peer, own in pairs)


def show_features(turns, workers):
    waves, pool = make_waves(), ThreadPoolExecutor(workers)
    print(f"{COUNT} utterances of {SECONDS} s          median s   peer / ours")
    for preset, package, make, bar in (
        ("whisper", "librosa", librosa_features, LIBROSA),
        ("kaldi", "kaldi_native_fbank", kaldi_features, KALDI),
    ):
        runs = {f"tntjax, {preset}": ours(waves, preset)}
        if importlib.util.find_spec(package):
            runs[package] = make(waves, pool)
        seconds = compare(runs, turns)
        own = next(iter(runs))
        for name in runs:
            found = ratio(seconds, name, own)
            goal = f"  (at least {bar})" if name != own else ""
            print(
                f"{name:26} {statistics.median(seconds[name]):14.3f} {found:8.2f}{goal}"
            )


def write_tree(root, files):
    """Writes chapters of 50 utterances; all are names of one file."""
    original = root / "original.flac"
    wave = (make_waves()[0, : 10 * RATE] * 32767).astype(np.int16)
    soundfile.write(original, wave, RATE)
    for chapter in range(files // 50):
        speaker = 100 + chapter // 4
        folder = root / "LibriSpeech" / "train" / str(speaker) / str(chapter)
        folder.mkdir(parents=True)
        stem = f"{speaker}-{chapter}"
        names = [f"{stem}-{number:04}" for number in range(50)]
        for name in names:
            os.link(original, folder / f"{name}.flac")
        text = "".join(f"{name} SO MANY WORDS ARE SAID\n" for name in names)
        (folder / f"{stem}.trans.txt").write_text(text)


def show_index(root, files):
    start = time.perf_counter()
    dataset = tnt.speech.LibriSpeech(root, "train")
    indexed = time.perf_counter() - start
    lengths = dataset.lengths()
    both = time.perf_counter() - start
    assert len(dataset) == files and (lengths == 10 * RATE).all()
    print(
        f"\nindex of {files} files: {indexed:.2f} s, with lengths {both:.2f} s", end=""
    )
    print(f"  (at most {MOST_SECONDS} s)")
    return dataset


def show_decoding(dataset, workers, turns):
    chosen = range(min(600, len(dataset)))
    part = tnt.ListDataset(chosen, dataset.__getitem__)

    def loop(numbers):
        return sum(len(part[number]["audio"]) for number in numbers)

    def loops():
        with ThreadPoolExecutor(workers) as pool:
            return sum(pool.map(loop, [chosen[n::workers] for n in range(workers)]))

    iterator = tnt.ParallelDatasetIterator(part, workers)

    def ours():
        return sum(len(sample["audio"]) for sample in iterator.run())

    assert loops() == ours() == len(chosen) * 10 * RATE
    runs = {"loops": loops, "ours": ours}
    seconds = compare(runs, turns)
    rate = len(chosen) / statistics.median(seconds["ours"])
    print(f"decoding FLAC of 10 s with {workers} threads: {rate:.0f} files/s, ", end="")
    print(f"{ratio(seconds, 'loops', 'ours'):.2f} of {workers} plain loops", end="")
    print(f"  (at least {OF_LOOPS})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {jax.devices()[0]}"
    print(f"Python {platform.python_version()}, jax {jax.__version__}, {machine}")
    show_features(args.turns, args.workers)
    with tempfile.TemporaryDirectory() as folder:
        write_tree(Path(folder), args.files)
        tree = show_index(folder, args.files)
        show_decoding(tree, args.workers, args.turns)
