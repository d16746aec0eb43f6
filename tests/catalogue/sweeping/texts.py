"""Models of texts: what Panope answers beside what the library gives; each function says what differs, or nothing."""

from __future__ import annotations

import numpy as np

from panope.worker.v1 import classify_pb2, embed_pb2, text_pb2
from panope_backends.worker.loading import ServedModel
from sweeping.library import TEXTS, Library, first, probabilities, same
from sweeping.serving import answer


def embed(model: ServedModel, library: Library) -> str:
    """The average of token vectors."""
    message = embed_pb2.EmbedInput(texts=TEXTS, truncation="refuse", normalize=False)
    found = embed_pb2.EmbedOutput.FromString(answer(model, "embed", message))
    vectors = np.frombuffer(found.vectors, "<f4").reshape(len(TEXTS), found.dimensions)
    encoder = library.model.get_encoder() if library.config.is_encoder_decoder else None
    wanted = []
    for text in TEXTS:
        tokens = library.tokens(text)
        given = library(**tokens) if encoder is None else encoder(**tokens)
        wanted.append(given.last_hidden_state[0].mean(0).detach().float().numpy())
    return same(vectors, np.stack(wanted))


def classify(model: ServedModel, library: Library) -> str:
    """The probability of each label."""
    message = classify_pb2.ClassifyInput(texts=TEXTS, truncation="refuse", function="softmax")
    found = classify_pb2.ClassifyOutput.FromString(answer(model, "classify", message))
    count = len(found.labels)
    scores = np.zeros((len(TEXTS), count))
    for place, (label, score) in enumerate(zip(found.label_ids, found.scores, strict=True)):
        scores[place // found.top_k, label] = score
    wanted = [probabilities(library(**library.tokens(text)).logits[0]) for text in TEXTS]
    return same(scores, np.stack(wanted))


def token_classify(model: ServedModel, library: Library) -> str:
    """The label of each word, which is one token, and its probability."""
    message = classify_pb2.TokenClassifyInput(texts=TEXTS, truncation="refuse", aggregation="none", ignore_labels=[])
    found = classify_pb2.TokenClassifyOutput.FromString(answer(model, "token-classify", message))
    told = []
    for text, entities in zip(TEXTS, found.texts, strict=True):
        wanted = probabilities(library(**library.tokens(text)).logits[0])[1:-1]
        if len(entities.entities) != len(wanted):
            return f"{len(entities.entities)} tokens have a label, and {len(wanted)} are there"
        told.append(same([one.score for one in entities.entities], wanted.max(-1)))
        labels = [library.config.id2label[int(row.argmax())] for row in wanted]
        if [one.label for one in entities.entities] != labels:
            return "its labels are others"
    return first(told)


def question_answer(model: ServedModel, library: Library) -> str:
    """The likeliest words between a start and an end."""
    question, context = "who sleeps", TEXTS[1]
    message = text_pb2.QuestionAnswerInput(questions=[question], contexts=[context], top_k=1, max_answer_len=15)
    found = text_pb2.QuestionAnswerOutput.FromString(answer(model, "question-answer", message)).questions[0].answers
    tokens = library.tokens(question, context)
    given = library(**tokens)
    ids = tokens["input_ids"][0].tolist()
    begin = ids.index(2) + 1
    rows = []
    for logits in (given.start_logits[0], given.end_logits[0]):
        kept = [place for place in range(len(ids)) if begin <= place < len(ids) - 1 or place == 0]
        row = np.zeros(len(ids))
        row[kept] = probabilities(logits[kept])
        row[0] = 0
        rows.append(row)
    pairs = [
        (rows[0][start] * rows[1][end], start, end)
        for start in range(begin, len(ids) - 1)
        for end in range(start, len(ids) - 1)
    ]
    score, start, end = max(pairs)
    words = " ".join(context.split()[start - begin : end - begin + 1])
    if len(found) != 1 or found[0].answer != words:
        return f"the answer is {[one.answer for one in found]}, and the library's {words!r}"
    return same([found[0].score], [score])


def fill_mask(model: ServedModel, library: Library) -> str:
    """The likeliest words of a mask, and their probabilities."""
    text = "the [MASK] fox runs"
    message = text_pb2.FillMaskInput(texts=[text], top_k=5, truncation="refuse")
    found = text_pb2.FillMaskOutput.FromString(answer(model, "fill-mask", message)).texts[0].masks[0].fillings
    tokens = library.tokens(text)
    place = tokens["input_ids"][0].tolist().index(4)
    wanted = probabilities(library(**tokens).logits[0, place])
    best = np.sort(wanted)[::-1][:5]
    return first(
        [
            same([one.score for one in found], best),
            same([one.score for one in found], wanted[[one.token_id for one in found]]),
        ]
    )
