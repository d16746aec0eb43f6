"""Commands that ask models with labels: classify and rerank."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from panope_server.cli.client import client_for
from panope_server.cli.inference.live_speech import read_audio
from panope_server.cli.options import Address, Images, Json, Model, check_either
from panope_server.cli.output.console import console, note, print_json

if TYPE_CHECKING:
    from panope_client import Client

_TOKENS = "token-classify"

#: Labels that are printed of each where nobody says how many: a model may have a thousand.
_USUAL_LABELS = 5


def classify(
    model: Model,
    texts: Annotated[list[str] | None, typer.Argument(help="The texts to classify.")] = None,
    image: Images = None,
    audio: Annotated[
        Path | None, typer.Option("--audio", help="An audio file, in the place of texts; `-` for standard input.")
    ] = None,
    video: Annotated[
        Path | None,
        typer.Option("--video", exists=True, dir_okay=False, help="A video, a file, in the place of texts."),
    ] = None,
    second: Annotated[list[str] | None, typer.Option("--second", help="The second text of each, for pairs.")] = None,
    label: Annotated[
        list[str] | None,
        typer.Option("--label", help="A label of your own; repeatable. Needs an NLI model; for images, one as CLIP."),
    ] = None,
    multi_label: Annotated[
        bool, typer.Option("--multi-label", help="With --label: any number of labels may fit.")
    ] = False,
    top_k: Annotated[
        int | None,
        typer.Option(
            min=1, help=f"How many labels to print of each, the best first. Default: {_USUAL_LABELS}, or all of yours."
        ),
    ] = None,
    address: Address = None,
    json: Json = False,
) -> None:
    """Classify texts, images, audio or a video by the model's labels or yours, or find names and the like in texts."""
    if video is not None:
        if texts or image or audio or second or label or multi_label:
            raise typer.BadParameter(
                "goes with no texts, no other file, and none of --second, --label and --multi-label",
                param_hint="--video",
            )
        _print_video_labels(address, model, video, top_k or _USUAL_LABELS, json=json)
        return
    if audio is not None:
        if texts or image or second or label or multi_label:
            raise typer.BadParameter(
                "goes with no texts, no other file, and none of --second, --label and --multi-label",
                param_hint="--audio",
            )
        _print_audio_labels(address, model, audio, top_k or _USUAL_LABELS, json=json)
        return
    check_either(texts, image, "--audio", "--video")
    if image:
        if second or multi_label:
            raise typer.BadParameter("goes with neither --second nor --multi-label", param_hint="--image")
        wanted = top_k or (None if label else _USUAL_LABELS)
        _print_image_labels(address, model, image, label or (), wanted, json=json)
        return
    texts = texts or []
    if label and (second or top_k):
        raise typer.BadParameter("goes with neither --second nor --top-k", param_hint="--label")
    if multi_label and not label:
        raise typer.BadParameter("needs --label", param_hint="--multi-label")
    with client_for(model, address) as client:
        if label:
            _print_labels(texts, client.classify_zero_shot(texts, label, model, multi_label=multi_label), json=json)
        elif client.model(model).task == _TOKENS:
            if second or top_k:
                raise typer.BadParameter(f"model {model} finds parts of texts", param_hint="--second, --top-k")
            _print_entities(client, model, texts, json=json)
        else:
            answer = client.classify(texts, model, second_texts=second or (), top_k=top_k or _USUAL_LABELS)
            _print_labels(texts, answer, json=json)


def rerank(
    model: Model,
    query: Annotated[str, typer.Argument(help="What the documents are compared with.")],
    documents: Annotated[list[str], typer.Argument(help="The documents.")],
    top_n: Annotated[int | None, typer.Option(min=1, help="How many documents to print.")] = None,
    address: Address = None,
    json: Json = False,
) -> None:
    """Order documents by how well they answer a query."""
    with client_for(model, address) as client:
        answer = client.rerank(query, documents, model, top_n=top_n)
    if json:
        print_json(
            [
                {"index": result.index, "score": result.score, "document": documents[result.index]}
                for result in answer.results
            ]
        )
        return
    for result in answer.results:
        console.print(f"{result.score:.4f}  {documents[result.index]}")


def _print_image_labels(
    address: str | None, model: str, images: Sequence[Path], labels: Sequence[str], top_k: int | None, *, json: bool
) -> None:
    with client_for(model, address) as client:
        answer = client.classify_images(images, model, candidate_labels=labels, top_k=top_k)
    found = list(zip(images, answer.classifications, strict=True))
    if json:
        print_json(
            [
                {"image": str(image), "labels": [{"label": one.label, "score": one.score} for one in each.labels]}
                for image, each in found
            ]
        )
        return
    for image, each in found:
        console.print(f"{image}: {_joined(f'{one.label} {one.score:.4f}' for one in each.labels)}")


def _print_audio_labels(address: str | None, model: str, audio: Path, top_k: int, *, json: bool) -> None:
    data = read_audio(audio)
    with client_for(model, address) as client:
        answer = client.classify_audio(data, model, top_k=top_k)
    labels = answer.classification.labels
    if json:
        told = [{"label": one.label, "score": one.score} for one in labels]
        print_json({"audio": str(audio), "duration": answer.duration_seconds, "labels": told})
        return
    if answer.heard_seconds < answer.duration_seconds - 0.1:
        note(f"the model hears the first {answer.heard_seconds:.1f} of {answer.duration_seconds:.1f} seconds")
    console.print(f"{audio}: {_joined(f'{one.label} {one.score:.4f}' for one in labels)}")


def _print_video_labels(address: str | None, model: str, video: Path, top_k: int, *, json: bool) -> None:
    with client_for(model, address) as client:
        answer = client.classify_video(video, model, top_k=top_k)
    labels = answer.classification.labels
    if json:
        told = [{"label": one.label, "score": one.score} for one in labels]
        print_json({"video": str(video), "frames": answer.frames, "labels": told})
        return
    console.print(f"{video}: {_joined(f'{one.label} {one.score:.4f}' for one in labels)}")


def _print_labels(texts: Sequence[str], answer: Any, *, json: bool) -> None:
    found = list(zip(texts, answer.classifications, strict=True))
    if json:
        print_json(
            [
                {"text": text, "labels": [{"label": one.label, "score": one.score} for one in labels.labels]}
                for text, labels in found
            ]
        )
        return
    for text, labels in found:
        console.print(f"{text!r}: {_joined(f'{one.label} {one.score:.4f}' for one in labels.labels)}")


def _print_entities(client: Client, model: str, texts: Sequence[str], *, json: bool) -> None:
    answer = client.classify_tokens(texts, model)
    found = list(zip(texts, answer.texts, strict=True))
    if json:
        print_json(
            [
                {
                    "text": text,
                    "entities": [
                        {"label": one.label, "score": one.score, "start": one.start, "end": one.end, "word": one.word}
                        for one in entities.entities
                    ],
                }
                for text, entities in found
            ]
        )
        return
    for text, entities in found:
        told = (f"{one.label} {text[one.start : one.end]!r} {one.score:.4f}" for one in entities.entities)
        console.print(f"{text!r}: {_joined(told) or 'nothing'}")


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(parts)
