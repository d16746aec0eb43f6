"""Speech to text: a model by transformers in this process, and by Panope over gRPC, in one run, interleaved.

    python -m benchmarks.media.speech MODEL_FOLDER AUDIO_FILE [--rounds 3] [--calls 4] [--backend cpu] [--out FOLDER]

The folder holds a Whisper in transformers' layout, the file up to 30 s of speech. Both take the likeliest tokens, in
float32; decoding the file and making features count for both. The real-time factor is the seconds that a second of
audio takes: below 1 is faster than speech. Every round runs each case once, in an order of its own, and ratios are
taken within a round.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.support.served import Served
from panope_backends.media.audio import decode_audio
from panope_backends.media.limits import MediaLimits
from panope_client import Client
from panope_registry.session import RegistrySession

HOME = Path(".cache/benchmark/speech/home")
MODEL = "benchmark/speech"
RATE = 16_000

RAW = "transformers, one after another"


def raw_engine(folder: Path, audio: bytes, calls: int) -> Callable[[], str]:
    """What transcribes the file so many times by transformers."""
    import torch
    import transformers

    processor = transformers.AutoProcessor.from_pretrained(folder)
    model = transformers.AutoModelForSpeechSeq2Seq.from_pretrained(folder).eval()

    def run() -> str:
        text = ""
        for _ in range(calls):
            samples = decode_audio(audio, RATE, MediaLimits())
            features = processor(samples, sampling_rate=RATE, return_tensors="pt").input_features
            with torch.inference_mode():
                text = processor.batch_decode(model.generate(features, num_beams=1), skip_special_tokens=True)[0]
        return text.strip()

    return run


def panope(client: Client, audio: bytes, calls: int, width: int, *, vad: bool) -> Callable[[], str]:
    """What transcribes the file so many times over gRPC, so many calls at once."""

    def run() -> str:
        with ThreadPoolExecutor(width) as pool:
            texts = list(pool.map(lambda _: client.transcribe(audio, MODEL, vad=vad).text, range(calls)))
        return texts[-1]

    return run


def measure(cases: Mapping[str, Callable[[], str]], rounds: int, seconds: float) -> dict[str, list[float]]:
    """The real-time factors of each case, one a round; all must hear the same."""
    factors: dict[str, list[float]] = {name: [] for name in cases}
    heard = {name: run() for name, run in cases.items()}  # warm, and compared
    assert len(set(heard.values())) == 1, heard
    for number in range(rounds):
        for name in random.Random(number).sample(list(cases), len(cases)):
            started = time.perf_counter()
            cases[name]()
            factors[name].append((time.perf_counter() - started) / seconds)
    return factors


def main() -> None:
    """Runs the cases and shows them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("audio", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=4)
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    audio = given.audio.read_bytes()
    seconds = decode_audio(audio, RATE, MediaLimits()).size / RATE * given.calls
    if not (HOME / "registry.sqlite3").exists():
        session = RegistrySession.open(HOME / "registry.sqlite3", HOME)
        session.registry.import_folder(given.folder, MODEL)
        session.close()
    with Served(HOME, demo=False) as server, Client(server.grpc_address, timeout=600) as client:
        client.load(MODEL, backend=given.backend, precision="fp32")
        cases = {
            RAW: raw_engine(given.folder, audio, given.calls),
            "gRPC, one after another": panope(client, audio, given.calls, 1, vad=False),
            "gRPC, all at once": panope(client, audio, given.calls, given.calls, vad=False),
            "gRPC, one after another, silence left out": panope(client, audio, given.calls, 1, vad=True),
        }
        factors = measure(cases, given.rounds, seconds)
    table = Table("case", "real-time factor", "speed to transformers")
    rows = {}
    for name, each in factors.items():
        speed = statistics.median(raw / own for raw, own in zip(factors[RAW], each, strict=True))
        rows[name] = {"real_time_factor": statistics.median(each), "speed": speed}
        table.add_row(name, f"{statistics.median(each):.3f}", f"{speed:.2f}")
    Console().print(table)
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "speech.json").write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
