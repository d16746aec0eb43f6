"""From a model's folder, or one route of it, to a task that has embedded a text."""

from __future__ import annotations

from panope_backends.api import TensorModel
from panope_backends.model_facts.word_tables import WORD_EMBEDDINGS
from panope_backends.tasks.embed.embed import EmbedSequenceTask
from panope_backends.tasks.embed.files.embed_files import EmbedFiles
from panope_backends.tasks.embed.files.word_files import PhraseTokenizerFile
from panope_backends.tasks.embed.layer_pooling import model_head
from panope_backends.tasks.embed.multi_vectors import MultiVectorTask
from panope_backends.tasks.embed.tokenizers.kinds import SequenceTokenizer
from panope_backends.tasks.embed.tokenizers.phrase_tokenizer import PhraseTokenizer
from panope_backends.tasks.embed.tokenizers.prepared_tokenizer import prepared_tokenizer
from panope_backends.tasks.embed.tokenizers.tokenizer import TextTokenizer
from panope_backends.tasks.embed.tokenizers.word_tokenizer import WordTokenizer
from panope_backends.tasks.task import ModelSource


def load_encoder(source: ModelSource, files: EmbedFiles) -> TensorModel:
    """Loads what computes vectors of tokens, or of texts.

    Args:
        source: of the model.
        files: what its folder says.
    """
    head = model_head(files, pickles="pickles" in source.grants)
    return source.load(files.config, files.transformer_folder, head=head)


def make_task(
    source: ModelSource, files: EmbedFiles, model: TensorModel
) -> tuple[EmbedSequenceTask, SequenceTokenizer]:
    """The task and its tokenizer, after a trial.

    Args:
        source: of the model.
        files: what its folder says.
        model: that is loaded. An engine that has imported transformers for it saves the tokenizer's own process.

    Raises:
        PreconditionError: the files ask for what Panope cannot do.
    """
    task, tokenizer = _task(source, files, model)
    task.trial()
    return task, tokenizer


def _task(source: ModelSource, files: EmbedFiles, model: TensorModel) -> tuple[EmbedSequenceTask, SequenceTokenizer]:
    pickles = "pickles" in source.grants
    if files.words is not None:
        listed = files.words.read()
        words = PhraseTokenizer(listed) if isinstance(listed, PhraseTokenizerFile) else WordTokenizer(listed)
        most = min(files.words.max_tokens or source.max_batch_tokens, source.max_batch_tokens)
        return EmbedSequenceTask(files, words, model, max_tokens=most, pickles=pickles), words
    prepared = prepared_tokenizer(source.folder, files, source.cache_folder)
    tokenizer = TextTokenizer(prepared)
    most = prepared.max_tokens or source.max_batch_tokens
    if files.table == WORD_EMBEDDINGS:  # the library's own limit is a million, whose vectors would not fit
        most = min(most, source.max_batch_tokens)
    kind = EmbedSequenceTask if files.multi is None else MultiVectorTask
    return kind(files, tokenizer, model, max_tokens=most, pickles=pickles), tokenizer
