"""Models that answer questions and fill masks, through transformers and through Panope's engines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from zoo_models.classifiers import Served, named
from zoo_models.serving import quiet

from panope.worker.v1 import text_pb2 as messages

CLASSES = {"question-answer": "AutoModelForQuestionAnswering", "fill-mask": "AutoModelForMaskedLM"}


def write_reader(folder: Path, kind: str, task: str) -> None:
    """A seeded model of the kind with the head of the task, and its tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    with quiet():
        replace(named(kind), load_class=CLASSES[task], modules=None).write(folder)


class ServedReader(Served):
    """One model on one engine; see `Served`."""

    def __init__(self, folder: Path, task: str, engine: str, scratch: Path) -> None:
        super().__init__(folder, task, engine, scratch)
        self.reads = messages.TextFacts.FromString(self.model.ready.facts)

    def answers(self, pairs: Sequence[tuple[str, str]], **options: Any) -> list[list[messages.Answer]]:
        """The answers to each question in its context."""
        usual = {"top_k": 1, "max_answer_len": 15, "align_to_words": True}
        message = messages.QuestionAnswerInput(
            questions=[question for question, _ in pairs], contexts=[text for _, text in pairs], **{**usual, **options}
        )
        found = messages.QuestionAnswerOutput.FromString(self.ask("question-answer", message))
        return [list(each.answers) for each in found.questions]

    def fillings(self, texts: Sequence[str], **options: Any) -> list[list[list[messages.Filling]]]:
        """What fills each mask of each text."""
        message = messages.FillMaskInput(texts=texts, **{"top_k": 5, "truncation": "refuse", **options})
        found = messages.FillMaskOutput.FromString(self.ask("fill-mask", message))
        return [[list(mask.fillings) for mask in text.masks] for text in found.texts]


class PlainAnswers:
    """transformers 4's QuestionAnsweringPipeline, step by step, over the logits of transformers' own model.

    Nothing is clever here: every pair of tokens is looked at, one after another.
    """

    def __init__(self, folder: Path) -> None:
        with quiet():
            import transformers

            self._tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
            self._model = transformers.AutoModelForQuestionAnswering.from_pretrained(folder).eval()

    def __call__(
        self,
        question: str,
        context: str,
        *,
        top_k: int = 1,
        doc_stride: int,
        max_seq_len: int,
        max_answer_len: int = 15,
        handle_impossible_answer: bool = False,
        align_to_words: bool = True,
    ) -> list[dict[str, Any]]:
        encoded = self._tokenizer(
            question,
            context,
            truncation="only_second",
            max_length=max_seq_len,
            stride=doc_stride,
            return_overflowing_tokens=True,
        )
        answers: list[dict[str, Any]] = []
        least = 1.0
        for window in encoded.encodings:
            start, end = self._probabilities(window)
            least = min(least, start[0] * end[0])
            start[0] = end[0] = 0
            inside = [position for position, sequence in enumerate(window.sequence_ids) if sequence == 1]
            pairs = [(s, e) for s in inside for e in inside if s <= e < s + max_answer_len]
            pairs.sort(key=lambda pair: -start[pair[0]] * end[pair[1]])
            for s, e in pairs[: top_k * 2 + 10 if align_to_words else top_k]:
                first, last = self._place(window, s, e, align_to_words)
                score = float(start[s] * end[e])
                same = next((a for a in answers if a["answer"].lower() == context[first:last].lower()), None)
                if same is not None:
                    same["score"] += score
                else:
                    answers.append({"score": score, "start": first, "end": last, "answer": context[first:last]})
        if handle_impossible_answer:
            answers.append({"score": least, "start": 0, "end": 0, "answer": ""})
        return sorted(answers, key=lambda answer: -answer["score"])[:top_k]

    def _probabilities(self, window: Any) -> tuple[np.ndarray, np.ndarray]:
        import torch

        names = self._tokenizer.model_input_names
        values = {"input_ids": window.ids, "attention_mask": [1] * len(window.ids), "token_type_ids": window.type_ids}
        with torch.inference_mode():
            found = self._model(**{name: torch.tensor([values[name]]) for name in names})
        counted = np.array(
            [
                sequence == 1 or token == self._tokenizer.cls_token_id
                for sequence, token in zip(window.sequence_ids, window.ids, strict=True)
            ]
        )
        columns = []
        for logits in (found.start_logits[0].numpy(), found.end_logits[0].numpy()):
            kept = np.where(counted, logits, -10000.0)
            powers = np.exp(kept - kept.max())
            columns.append(powers / powers.sum())
        return columns[0], columns[1]

    @staticmethod
    def _place(window: Any, s: int, e: int, align_to_words: bool) -> tuple[int, int]:
        if align_to_words:
            try:
                first = window.word_to_chars(window.token_to_word(s), 1)[0]
                return first, window.word_to_chars(window.token_to_word(e), 1)[1]
            except Exception:  # some tokenizers know no words
                pass
        return window.offsets[s][0], window.offsets[e][1]
