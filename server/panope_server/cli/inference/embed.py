"""The command that embeds texts and images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from panope_server.cli.client import client_for
from panope_server.cli.options import Address, Hardware, Images, Json, Model, check_either
from panope_server.cli.output.console import console, print_json

if TYPE_CHECKING:
    from panope_client import Embeddings


Pooling = Annotated[
    Literal["pooler", "cls", "patch_mean"] | None,
    typer.Option(help="How vectors are made of what is given for images; by default as the model's spec says."),
]


Purpose = Annotated[
    Literal["query", "document"] | None,
    typer.Option(help="What the texts are for, by models that treat queries and documents differently."),
]


def embed(
    model: Model,
    texts: Annotated[list[str] | None, typer.Argument(help="The texts to embed.")] = None,
    image: Images = None,
    pooling: Pooling = None,
    normalize: Annotated[
        bool | None, typer.Option("--normalize/--no-normalize", help="Whether vectors have length 1.")
    ] = None,
    dimensions: Annotated[int | None, typer.Option(min=1, help="How many leading values to keep.")] = None,
    purpose: Purpose = None,
    hardware: Hardware = "",
    address: Address = None,
    json: Json = False,
) -> None:
    """Embed texts, or images."""
    check_either(texts, image)
    if purpose and image:
        raise typer.BadParameter("is of texts", param_hint="--purpose")
    if pooling and not image:
        raise typer.BadParameter("goes with --image", param_hint="--pooling")
    with client_for(model, address, hardware) as client:
        if image:
            found = client.embed_images(image, model, normalize=normalize, dimensions=dimensions, image_pooling=pooling)
            _print_images(image, found, json=json)
            return
        embeddings = client.embed(texts or [], model, normalize=normalize, dimensions=dimensions, purpose=purpose)
    if embeddings.vector_counts:
        _print_multi(texts or [], embeddings, json=json)
    elif embeddings.sparse_vectors:
        _print_sparse(texts or [], embeddings, json=json)
    else:
        _print_texts(texts or [], embeddings, json=json)


def _print_texts(texts: Sequence[str], embeddings: Embeddings, *, json: bool) -> None:
    each = list(zip(texts, embeddings.token_counts, embeddings.vectors, strict=True))
    if json:
        print_json([{"text": text, "tokens": tokens, "embedding": vector} for text, tokens, vector in each])
        return
    for text, tokens, vector in each:
        console.print(f"{text!r}: [{_first(vector)}, …] ({len(vector)} values, {tokens} tokens)")


def _print_images(images: Sequence[Path], embeddings: Embeddings, *, json: bool) -> None:
    each = list(zip(images, embeddings.vectors, strict=True))
    if json:
        print_json([{"image": str(image), "embedding": vector} for image, vector in each])
        return
    for image, vector in each:
        console.print(f"{image}: [{_first(vector)}, …] ({len(vector)} values)")


def _first(vector: Sequence[float]) -> str:
    return ", ".join(f"{value:.4f}" for value in vector[:4])


def _print_sparse(texts: Sequence[str], embeddings: Embeddings, *, json: bool) -> None:
    """Sparse vectors: those values that are not 0, the largest of them for people."""
    each = list(zip(texts, embeddings.token_counts, embeddings.sparse_vectors, strict=True))
    if json:
        print_json(
            [
                {"text": text, "tokens": tokens, "indices": vector.indices, "values": vector.values}
                for text, tokens, vector in each
            ]
        )
        return
    for text, tokens, vector in each:
        largest = sorted(zip(vector.values, vector.indices, strict=True), reverse=True)[:4]
        shown = ", ".join(f"{index}: {value:.4f}" for value, index in largest)
        size = f"{len(vector.indices)} of {embeddings.dimensions} values are not 0"
        console.print(f"{text!r}: {{{shown}, …}} ({size}, {tokens} tokens)")


def _print_multi(texts: Sequence[str], embeddings: Embeddings, *, json: bool) -> None:
    """A vector for each token."""
    each = list(zip(texts, embeddings.token_counts, embeddings.multi_vectors, strict=True))
    if json:
        print_json([{"text": text, "tokens": tokens, "embeddings": vectors} for text, tokens, vectors in each])
        return
    for text, tokens, vectors in each:
        size = f"{len(vectors)} vectors of {embeddings.dimensions} values, {tokens} tokens"
        console.print(f"{text!r}: [[{_first(vectors[0]) if len(vectors) else ''}, …], …] ({size})")
