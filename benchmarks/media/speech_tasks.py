"""Tasks of sound: Panope over gRPC against the raw engine's loop, in one run, interleaved.

    python -m benchmarks.media.speech_tasks [--backend openvino] [--task transcribe --task speak …]
        [--rounds 5] [--calls 16] [--seconds 5]

Seeded models of the sizes that people run, in float32 on PyTorch or OpenVINO: a Wav2Vec2 that transcribes, a VITS that
speaks, an AST that classifies, and Silero's own detector. The raw loop is what a program of one's own does, in this
process: it decodes the file, makes features by transformers, runs the model, or the graphs that Panope's conversion
makes of it, and reads the answer, one after another. Every round runs every case once, and ratios are taken within a
round: of calls in a second, and of CPU seconds. These are those of the process of the loop, or of the server with all
that it started; the client's are counted for neither. Threads of both sleep while they wait, as in Panope's workers: on
a machine that others use, threads that spin cost the raw loop several times its work. Memory is that of this process
with the raw model, and of the model's worker.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.support.commands import import_model
from benchmarks.support.served import Served
from benchmarks.support.turns import COLUMNS, Way, cells, in_turns
from panope_backends.api import ModelFacts
from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.engines.openvino.vits import SOUND_FILE, TEXT_FILE
from panope_backends.media.audio import decode_audio
from panope_backends.media.audio_writer import AudioWriter
from panope_backends.media.limits import MediaLimits
from panope_backends.media.voice_activity import VadOptions, VoiceDetector
from panope_backends.testing.audio.labels import tiny_audio_classifier
from panope_backends.testing.audio.speaking import tiny_vits
from panope_backends.testing.audio.speech import tiny_ctc
from panope_client import Client

RATE = 16_000
WIDTH = 8
RAW = "raw loop"

# Before any engine is imported, which reads it once.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
TEXT = "the quick brown fox jumps over the lazy dog while seven wizards mix jugs of ink"

Run = Callable[[], object]
Arrays = dict[str, np.ndarray[Any, Any]]
Graph = Callable[[Arrays], Arrays]


@dataclass(frozen=True)
class Case:
    """A task.

    Attributes:
        write: writes its model.
        raw: makes what runs it once in this process, from its folder and, on OpenVINO, its graphs.
        call: runs it once over gRPC.
        model_task: the task of its model.
    """

    write: Callable[[Path], object]
    raw: Callable[[Path, Sequence[Graph]], Run]
    call: Callable[[Client, str], object]
    model_task: str


def graphs_of(folder: Path, task: str, place: Path) -> Sequence[Graph]:
    """The graphs of a model, converted as Panope does, on OpenVINO alone.

    Args:
        folder: of the model, in safetensors.
        task: of the model.
        place: where to.
    """
    import openvino

    config = json.loads((folder / "config.json").read_text())
    facts = ModelFacts("bench/model", "safetensors", task, config["architectures"][0], config)
    backend = OpenVinoBackend()
    exact = next(each for each in backend.conversions() if each.precision == "fp32")
    place.mkdir()
    backend.convert(facts, exact, folder, place)
    core = openvino.Core()
    hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32", "ENABLE_CPU_PINNING": False}

    def run_of(file: Path) -> Graph:
        request = core.compile_model(file, "CPU", hints).create_infer_request()
        takes = {name for port in request.model_inputs for name in port.get_names()}

        def run(arrays: Arrays) -> Arrays:
            answer = request.infer({name: array for name, array in arrays.items() if name in takes})
            return {port.get_any_name(): np.array(value) for port, value in answer.items()}

        return run

    return [run_of(place / name) for name in (TEXT_FILE, SOUND_FILE) if (place / name).is_file()]


def clip(seconds: float) -> bytes:
    """Noise that swells as syllables do, as a WAV file: what speech is to a decoder and to a seeded model."""
    time_line = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(0).standard_normal(time_line.size) * (0.1 + 0.1 * np.sin(2 * np.pi * 4 * time_line))
    writer = AudioWriter("wav", RATE, stream=False)
    return writer.write(noise.astype(np.float32)) + writer.finish()


def transcribing(audio: bytes) -> Case:
    """Wav2Vec2 of the base size."""

    def raw(folder: Path, graphs: Sequence[Graph]) -> Run:
        import transformers

        processor = transformers.Wav2Vec2Processor.from_pretrained(folder)
        (logits,) = graphs or [by_torch(transformers.Wav2Vec2ForCTC, folder, "logits")]

        def run() -> str:
            samples = decode_audio(audio, RATE, MediaLimits())
            values = processor(samples, sampling_rate=RATE, return_tensors="np").input_values
            text: str = processor.batch_decode(logits({"input_values": values})["logits"].argmax(-1))[0]
            return text

        return run

    sizes: dict[str, Any] = {"hidden_size": 384, "num_hidden_layers": 8, "num_attention_heads": 6}
    sizes["intermediate_size"] = 1536
    return Case(
        lambda folder: tiny_ctc(folder, conv_dim=(256,) * 7, **sizes),
        raw,
        lambda client, model: client.transcribe(audio, model, vad=False),
        "transcribe",
    )


def speaking(_audio: bytes) -> Case:
    """A VITS of MMS-TTS's sizes, but for how lengths are predicted."""

    def raw(folder: Path, graphs: Sequence[Graph]) -> Run:
        import torch
        import transformers

        tokenizer = transformers.VitsTokenizer.from_pretrained(folder)
        waveform = spoken_by(folder, *graphs) if graphs else by_torch(transformers.VitsModel, folder, "waveform")

        def run() -> bytes:
            torch.manual_seed(1)
            samples = waveform({"input_ids": np.array([tokenizer(TEXT)["input_ids"]], np.int64)})["waveform"][0]
            writer = AudioWriter("wav", RATE, stream=False)
            return writer.write(samples) + writer.finish()

        return run

    sizes: dict[str, Any] = {
        "hidden_size": 192,
        "num_hidden_layers": 6,
        "ffn_dim": 768,
        "flow_size": 192,
        "prior_encoder_num_flows": 4,
        "prior_encoder_num_wavenet_layers": 4,
        "upsample_initial_channel": 512,
        "upsample_rates": [8, 8, 2, 2],
        "upsample_kernel_sizes": [16, 16, 4, 4],
        "resblock_kernel_sizes": [3, 7, 11],
        "resblock_dilation_sizes": [[1, 3, 5]] * 3,
    }
    return Case(
        lambda folder: tiny_vits(folder, **sizes),
        raw,
        lambda client, model: client.speak(TEXT, model, seed=1),
        "speak",
    )


def by_torch(kind: Any, folder: Path, output: str) -> Graph:
    """A model of transformers, whose inputs and output are arrays."""
    import torch

    model = kind.from_pretrained(folder).eval()

    def run(arrays: Arrays) -> Arrays:
        with torch.inference_mode():
            given = model(**{name: torch.from_numpy(array) for name, array in arrays.items()})
        return {output: getattr(given, output).numpy()}

    return run


def spoken_by(folder: Path, text: Graph, sound: Graph) -> Graph:
    """What stands between the two graphs of a VITS of one voice: lengths and noise."""
    config = json.loads((folder / "config.json").read_text())

    def run(arrays: Arrays) -> Arrays:
        random = np.random.default_rng(1)
        shape = (1, 2, arrays["input_ids"].shape[1])
        noise = random.standard_normal(shape).astype(np.float32) * config["noise_scale_duration"]
        told = text({**arrays, "noise": noise, "speaker": np.zeros(1, np.int64)})
        lengths = np.ceil(np.exp(told["log_duration"][0]) / config["speaking_rate"]).astype(np.int64)
        means = np.repeat(told["means"][0], lengths, axis=0).T
        deviations = np.repeat(np.exp(told["log_variances"])[0], lengths, axis=0).T
        drawn = random.standard_normal(means.shape).astype(np.float32) * config["noise_scale"]
        return sound({"latents": (means + drawn * deviations)[None], "speaker": np.zeros(1, np.int64)})

    return run


def detecting(audio: bytes) -> Case:
    """Silero's detector, which lies beside any model that transcribes."""

    def raw(_folder: Path, _graphs: Sequence[Graph]) -> Run:
        detector = VoiceDetector()
        return lambda: detector.speech(decode_audio(audio, RATE, MediaLimits()), VadOptions(0.5, 0.1, 0.0, 0.25))

    return Case(tiny_ctc, raw, lambda client, model: client.detect_speech(audio, model), "transcribe")


def classifying(audio: bytes) -> Case:
    """An AST of half the base size."""

    def raw(folder: Path, graphs: Sequence[Graph]) -> Run:
        import transformers

        extractor = transformers.ASTFeatureExtractor.from_pretrained(folder)
        (logits,) = graphs or [by_torch(transformers.ASTForAudioClassification, folder, "logits")]

        def run() -> object:
            samples = decode_audio(audio, RATE, MediaLimits())
            values = extractor(samples, sampling_rate=RATE, return_tensors="np").input_values
            scores = np.exp(logits({"input_values": values})["logits"][0])
            return scores / scores.sum()

        return run

    sizes = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 6, "intermediate_size": 1536}
    spectrum = {"max_length": 1024, "num_mel_bins": 128}
    return Case(
        lambda folder: tiny_audio_classifier(folder, "audio-spectrogram-transformer", **sizes, **spectrum),
        raw,
        lambda client, model: client.classify_audio(audio, model),
        "classify",
    )


CASES: Mapping[str, Callable[[bytes], Case]] = {
    "transcribe": transcribing,
    "speak": speaking,
    "detect-speech": detecting,
    "classify-audio": classifying,
}


def over_grpc(client: Client, case: Case, model: str, calls: int, width: int) -> None:
    """So many calls, so many at a time."""
    with ThreadPoolExecutor(width) as pool:
        list(pool.map(lambda _: case.call(client, model), range(calls)))


def worker_bytes(server: psutil.Process) -> int:
    """Of the largest process of a server that is a worker."""
    workers = [each for each in server.children(recursive=True) if "panope_backends.worker" in " ".join(each.cmdline())]
    return max((each.memory_info().rss for each in workers), default=0)


def measure(task: str, case: Case, place: Path, backend: str, rounds: int, calls: int) -> list[Sequence[str]]:
    """A table's row for each way."""
    folder, home, model = place / "model", place / "home", f"bench/{task}"
    folder.mkdir(parents=True)
    case.write(folder)
    import_model(home, model, folder)
    own = psutil.Process()
    once = case.raw(folder, graphs_of(folder, case.model_task, place / "graphs") if backend == "openvino" else ())
    once()
    raw_bytes = own.memory_info().rss
    with Served(home, "--set", "log_requests=false", demo=False) as server:
        served = psutil.Process(server.process.pid)
        with Client(server.grpc_address, timeout=600) as client:
            client.load(model, backend=backend, precision="fp32")
            ways = {
                RAW: Way(lambda: [once() for _ in range(calls)], own),
                "gRPC, one at a time": Way(lambda: over_grpc(client, case, model, calls, 1), served),
                f"gRPC, {WIDTH} at a time": Way(lambda: over_grpc(client, case, model, calls, WIDTH), served),
            }
            found = in_turns(ways, rounds, calls)
        taken = worker_bytes(served)
    return [
        (task, name, *cells(turns, found[RAW]), f"{(raw_bytes if name == RAW else taken) >> 20} MiB")
        for name, turns in found.items()
    ]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=["cpu", "openvino"], default="cpu")
    parser.add_argument("--task", action="append", choices=list(CASES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    audio = clip(given.seconds)
    table = Table("task", "way", *COLUMNS, "memory")
    for task in given.task or CASES:
        with tempfile.TemporaryDirectory() as place:
            for row in measure(task, CASES[task](audio), Path(place), given.backend, given.rounds, given.calls):
                table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
