"""What no step may contain, checked before an engine sees it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from panope_backends.api.source_features import FeatureSpec
from panope_backends.api.step_models.step_batch import Integers, StepBatch
from panope_backends.errors import InvalidInputError

if TYPE_CHECKING:
    import numpy as np

    from panope_backends.api.step_models.prompt_image import PromptImage


def check_batch(batch: StepBatch, *, vocab_size: int, max_positions: int, block_size: int, blocks: int) -> None:
    """Checks all that native code would not.

    Raises:
        InvalidInputError: `field` names the part at fault.
    """
    _check_shapes(batch)
    _require_below(batch.tokens, vocab_size, "tokens", "token ids")
    if batch.past_lengths.min() < 0 or batch.total_lengths.max() > max_positions:
        raise InvalidInputError(f"a sequence has at most {max_positions} positions", field="past_lengths")
    _require_below(batch.sampled, len(batch.tokens), "sampled", "indices of sampled tokens")
    _require_below(batch.block_tables, blocks, "block_tables", "block numbers")
    _check_tables(batch, block_size)


def check_copies(copies: Sequence[tuple[int, int]], blocks: int) -> None:
    """Checks pairs of source and destination.

    Raises:
        InvalidInputError: a number is no block's, or a destination is named twice or is a source too.
    """
    if any(not 0 <= number < blocks for pair in copies for number in pair):
        raise InvalidInputError(f"block numbers go from 0 to {blocks - 1}", field="copies")
    destinations = {destination for _, destination in copies}
    if len(destinations) < len(copies) or any(source in destinations for source, _ in copies):
        raise InvalidInputError("a block is copied to once, and then not copied from", field="copies")


def check_sources(batch: StepBatch, sources: int) -> None:
    """Checks that every sequence of a step names a source.

    Raises:
        InvalidInputError: some do not, or a number is no source's.
    """
    if batch.sources is None or len(batch.sources) != len(batch.past_lengths):
        raise InvalidInputError("every sequence of an encoder-decoder has a source", field="sources")
    _require_below(batch.sources, sources, "sources", "numbers of sources")


def check_adapters(batch: StepBatch, known: Collection[int]) -> None:
    """Checks that the adapters of a step are there.

    Raises:
        InvalidInputError: a number is no adapter's, or not every sequence has one or 0.
    """
    if batch.adapters is None:
        return
    if len(batch.adapters) != len(batch.past_lengths) or not {0, *known}.issuperset(batch.adapters.tolist()):
        raise InvalidInputError("every sequence names an adapter that the model has, or 0", field="adapters")


def check_source(source: int, tokens: Integers, *, sources: int, max_length: int, vocab_size: int) -> None:
    """Checks a text before it is encoded.

    Raises:
        InvalidInputError: `field` is `source` or `tokens`.
    """
    import numpy as np

    if not 0 <= source < sources:
        raise InvalidInputError(f"numbers of sources go from 0 to {sources - 1}", field="source")
    if not 1 <= len(tokens) <= max_length:
        raise InvalidInputError(f"a source has from 1 to {max_length} tokens", field="tokens")
    _require_below(np.asarray(tokens), vocab_size, "tokens", "token ids")


def check_images(tokens: Integers, images: Sequence[PromptImage], *, image_token_id: int) -> None:
    """Checks that the places of images are those of their tokens, all of them and no others.

    Raises:
        InvalidInputError: the field `images`.
    """
    import numpy as np

    places = [np.asarray(image.places, np.int64) for image in images]
    found = np.flatnonzero(np.asarray(tokens) == image_token_id)
    if any(not len(each) for each in places) or not np.array_equal(np.concatenate(places or [found[:0]]), found):
        raise InvalidInputError.at(
            "images",
            "{field}: the prompt has {found:,} tokens that stand for images, and {count:,} images of {places:,} tokens",
            found=len(found),
            count=len(images),
            places=sum(map(len, places)),
        )


def check_features(source: int, features: np.ndarray[Any, Any], *, sources: int, spec: FeatureSpec | None) -> None:
    """Checks features that an encoder of speech reads; see `EncoderDecoderModel.check_features`."""
    import numpy as np

    if not 0 <= source < sources:
        raise InvalidInputError(f"numbers of sources go from 0 to {sources - 1}", field="source")
    if spec is None:
        raise InvalidInputError("the model's encoder reads tokens, not features", field="features")
    fits = len(features.shape) == len(spec.shape) and all(
        1 <= size <= spec.max_length if wanted < 0 else size == wanted
        for size, wanted in zip(features.shape, spec.shape, strict=True)
    )
    if not fits or features.dtype != np.float32:
        shape = " × ".join(f"1..{spec.max_length}" if size < 0 else str(size) for size in spec.shape)
        raise InvalidInputError(f"a source has {shape} values of float32", field="features")
    if not np.isfinite(features).all():
        raise InvalidInputError("features have values that are no numbers", field="features")


def _check_shapes(batch: StepBatch) -> None:
    count = len(batch.past_lengths)
    for name, values, begins in (
        ("token_begins", batch.tokens, batch.token_begins),
        ("block_begins", batch.block_tables, batch.block_begins),
    ):
        if len(begins) != count + 1 or begins[0] or begins[-1] != len(values):
            raise InvalidInputError.at(
                name, "{field} does not divide {n} values into {count}", n=len(values), count=count
            )
    if not count or batch.lengths.min() < 1:
        raise InvalidInputError("a step has sequences, and each has a new token", field="token_begins")


def _check_tables(batch: StepBatch, block_size: int) -> None:
    """Refuses tables that do not fit the lengths, and blocks that are written beside another use."""
    import numpy as np

    table_lengths = batch.block_begins[1:] - batch.block_begins[:-1]
    if (table_lengths != (batch.total_lengths + block_size - 1) // block_size).any():
        raise InvalidInputError("a block table has the blocks of all positions and no more", field="block_tables")
    index_in_table = np.arange(len(batch.block_tables)) - np.repeat(batch.block_begins[:-1], table_lengths)
    is_written = index_in_table >= np.repeat(batch.past_lengths // block_size, table_lengths)
    uses = np.bincount(batch.block_tables)
    if (uses[batch.block_tables[is_written]] > 1).any():
        raise InvalidInputError("a block that a step writes stands once in its tables", field="block_tables")


def _require_below(values: np.ndarray[Any, Any], limit: int, field: str, what: str) -> None:
    if values.size and not 0 <= values.min() <= values.max() < limit:
        raise InvalidInputError(f"{what} go from 0 to {limit - 1}", field=field)
