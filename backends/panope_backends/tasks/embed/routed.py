"""Models with a Router: what a text is for, a query or a document, decides which modules it passes.

Each route is a task of its own; those whose encoder is the same share it. A batch may hold texts of several routes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from panope.worker.v1 import embed_pb2 as messages
from panope_backends.api import TensorModel
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.tasks.embed.embed import TRIAL_TOKENS, EmbedJob, EmbedSequenceTask, SparseJob
from panope_backends.tasks.embed.files.embed_files import EmbedFiles
from panope_backends.tasks.embed.images.requests import TASK, refuse_images
from panope_backends.tasks.embed.layer_pooling import model_head
from panope_backends.tasks.embed.loading import load_encoder, make_task
from panope_backends.tasks.embed.multi_vectors import refuse_rerank
from panope_backends.tasks.embed.purposes import purpose_of
from panope_backends.tasks.embed.tokenizers.kinds import SequenceTokenizer, alike
from panope_backends.tasks.task import Job, LoadedTask, ModelSource, Prepare, Rows, SequenceTask, TokenRow
from panope_backends.tasks.tokenize.requests import tokenizer_requests


class RoutedTask(SequenceTask):
    """Embeds by the route of each text.

    Args:
        tasks: of the routes, each after its trial; at least one.
        of_purpose: as of `EmbedFiles`; not empty.

    Raises:
        PreconditionError: the routes give vectors of different sizes, which cannot be compared.
    """

    def __init__(self, tasks: Mapping[str, EmbedSequenceTask], of_purpose: Mapping[str, str]) -> None:
        self._tasks = tasks
        self._of_purpose = of_purpose
        self._first = of_purpose.get("", next(iter(of_purpose.values())))
        widths = {route: task.row_width for route, task in tasks.items()}
        if len(set(widths.values())) > 1:
            listed = ", ".join(f"`{route}` {width:,}" for route, width in widths.items())
            raise PreconditionError(f"the Router's routes give vectors of different sizes: {listed}")

    @property
    def row_width(self) -> int:
        """The dimensions of every route."""
        return self._tasks[self._first].row_width

    @property
    def parts(self) -> Sequence[SequenceTask]:
        """Each route's."""
        return tuple(self._tasks.values())

    @property
    def facts(self) -> messages.EmbedFacts:
        """What the model takes and gives: the longest texts that a route takes, and each route's pooling."""
        found = {route: task.facts for route, task in self._tasks.items()}
        facts = messages.EmbedFacts()
        facts.CopyFrom(found[self._first])
        facts.max_tokens = max(each.max_tokens for each in found.values())
        facts.pooling = ", ".join(f"{route}: {each.pooling}" for route, each in found.items())
        facts.normalize = all(each.normalize for each in found.values())
        return facts

    def prepare(self, data: bytes) -> EmbedJob | SparseJob:
        """Makes tokens of the texts by the tokenizer of their route, and checks what was asked.

        Raises:
            InvalidInputError: names the field, the value and the limit.
        """
        message = messages.EmbedInput.FromString(data)
        route = self._of_purpose.get(purpose_of(message))
        if route is None:
            raise InvalidInputError.at(
                "purpose",
                "{field} must be one of {known}: the model has no route for other texts",
                known=", ".join(purpose for purpose in self._of_purpose if purpose) or "none",
            )
        if message.token_sequences:
            message.purpose = ""  # it said whose tokens they are; no prompt goes before them
        job = self._tasks[route].prepare(message.SerializeToString())
        job.sequences = [replace(row, route=route) for row in job.sequences]
        return job

    def run(self, sequences: Sequence[TokenRow]) -> Rows:
        """Runs one batch, the texts of each route together."""
        rows = np.empty((len(sequences), self.row_width), np.float32)
        for route, task in self._tasks.items():
            places = [place for place, row in enumerate(sequences) if row.route == route]
            if places:
                rows[places] = task.run([sequences[place] for place in places])
        return rows

    def pad_alone(self, wanted: bool) -> None:
        """In every route."""
        for task in self._tasks.values():
            task.pad_alone(wanted)

    def sample(self, tokens: int) -> TokenRow:
        """Of texts that are for nothing in particular, where those have a route."""
        return replace(self._tasks[self._first].sample(tokens), route=self._first)

    def trial(self) -> None:
        """Runs a short text of the first route once more: each was tried before."""
        self.run([self.sample(TRIAL_TOKENS)])


def load_routed(source: ModelSource, files: EmbedFiles) -> LoadedTask:
    """Loads every route of a model.

    Args:
        source: of the model.
        files: what its folder says, with routes.

    Raises:
        PanopeError: why it cannot be served.
    """
    with ExitStack() as on_failure:  # whatever it was, what engines hold is free for the next candidate
        encoders: dict[tuple[Path, str], TensorModel] = {}
        tasks, tokenizers = {}, []
        # The one that stands for the model is loaded first: the worker reports what it has.
        for route, of_route in sorted(files.routes.items(), key=lambda each: bool(each[1].table)):
            key = of_route.transformer_folder, model_head(of_route, pickles="pickles" in source.grants)
            if key not in encoders:
                encoders[key] = load_encoder(source, of_route)
                on_failure.callback(encoders[key].close)
            tasks[route], tokenizer = make_task(source, of_route, encoders[key])
            tokenizers.append(tokenizer)
        task = RoutedTask(tasks, files.of_purpose)
        on_failure.pop_all()
    main, *others = encoders.values()

    def end() -> None:
        for encoder in others:
            encoder.close()

    requests: dict[str, Prepare] = {"embed": task.prepare, TASK: refuse_images, "rerank": refuse_rerank}
    requests |= _tokenizer_requests(tokenizers, task.facts.max_tokens)
    return LoadedTask(main, files.config, requests, task, task.facts.SerializeToString(), end=end)


def _tokenizer_requests(tokenizers: Sequence[SequenceTokenizer], max_tokens: int) -> Mapping[str, Prepare]:
    """Those of the routes' tokenizer where all have the same one; requests for tokens name no route."""
    first, *others = tokenizers
    if all(alike(first, other) for other in others):
        return tokenizer_requests(first, max_tokens)

    def refuse(_: bytes) -> Job:
        raise PreconditionError("the model's routes have tokenizers of their own, and nothing says whose is asked for")

    return {"tokenize": refuse, "detokenize": refuse}
