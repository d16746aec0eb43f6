"""Routes that run models on texts, tensors, or whatever a model takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta

from generator.operations.operation import AZURE, Operation
from panope_server.transport.paging import MAX_PAGE_SIZE
from panope_server.transport.rest.classification import schemas as classification
from panope_server.transport.rest.classification import vllm_schemas as vllm
from panope_server.transport.rest.embedding.vectors import Vector
from panope_server.transport.rest.hugging_face import schemas as hugging_face
from panope_server.transport.rest.hugging_face.errors import HuggingFaceErrorJson
from panope_server.transport.rest.hugging_face.image_text.schemas import (
    DocumentBody,
    ImageBody,
    ImageTextJson,
    QuestionAnswerJson,
    QuestionBody,
)
from panope_server.transport.rest.hugging_face.text_to_text.schemas import (
    SummaryBody,
    SummaryJson,
    TranslationBody,
    TranslationJson,
)
from panope_server.transport.rest.hugging_face.texts.schemas import AnswerBody, AnswerJson, FillingJson, FillMaskBody
from panope_server.transport.rest.hugging_face.texts.table_schemas import TableAnswerJson, TableBody
from panope_server.transport.rest.openai import schemas as openai
from panope_server.transport.rest.openai.chat.answers import ChatJson
from panope_server.transport.rest.openai.chat.schemas import ChatBody
from panope_server.transport.rest.openai.completions.answers import CompletionJson
from panope_server.transport.rest.openai.completions.schemas import CompletionBody
from panope_server.transport.rest.openai.responses.answers import ResponseJson
from panope_server.transport.rest.openai.responses.schemas import ResponseBody
from panope_server.transport.rest.panope import (
    infer_schemas,
    token_schemas,
)
from panope_server.transport.rest.text_embeddings import schemas as tei
from panope_server.transport.rest.text_embeddings.info import TextEmbeddingsInfoJson
from panope_server.transport.rest.text_generation import schemas as tgi
from panope_server.transport.rest.text_generation.info import TextGenerationInfoJson

_ANY_ANSWER = list[Vector | float] | tgi.GeneratedTextJson
_ENTITIES = (list[classification.EntityJson], list[list[classification.EntityJson]])
_ANSWERS = (AnswerJson, list[AnswerJson], list[list[AnswerJson]])
_FILLINGS = (list[FillingJson], list[list[FillingJson]], list[list[list[FillingJson]]])
_LABELS = (list[classification.LabelJson], list[list[classification.LabelJson]])
_SCORES: Mapping[str, Any] = {"or_answers": (*_LABELS, *_ENTITIES), "waits": True}
_TABLES = (TableAnswerJson, list[TableAnswerJson])
_ANY_BODY = (tgi.TextGenerationBody, classification.ClassifyBody, AnswerBody, TableBody, FillMaskBody)
_TEI: Mapping[str, Any] = {"waits": True, "error": tei.TextEmbeddingsErrorJson}
_ANY: Mapping[str, Any] = {
    **_TEI,
    "or_bodies": _ANY_BODY,
    "or_answers": (
        *(list[Vector | float], tgi.GeneratedTextJson, *_LABELS, *_ENTITIES),
        *(AnswerJson, list[AnswerJson], *_TABLES, *_FILLINGS[:2]),
    ),
    "events": True,
    "error": HuggingFaceErrorJson,
}
_TGI: Mapping[str, Any] = {"waits": True, "events": True, "error": tgi.TextGenerationErrorJson}

METHODS: Mapping[str, Operation] = {
    "OpenAiService.CreateEmbeddings": Operation(openai.EmbeddingsJson, openai.EmbeddingsBody, query=AZURE, waits=True),
    "OpenAiService.ListModels": Operation(
        openai.ModelsJson,
        query={
            **AZURE,
            "task": str,
            "format": str,
            "prefix": str,
            "loaded": bool,
            "limit": Annotated[int, Meta(ge=0, le=MAX_PAGE_SIZE)],
            "after": str,
        },
    ),
    "OpenAiService.GetModel": Operation(openai.ModelJson, query=AZURE),
    "OpenAiGenerationService.CreateCompletion": Operation(
        CompletionJson, CompletionBody, query=AZURE, waits=True, events=True
    ),
    "OpenAiGenerationService.CreateChatCompletion": Operation(ChatJson, ChatBody, query=AZURE, waits=True, events=True),
    "OpenAiGenerationService.CreateResponse": Operation(
        ResponseJson, ResponseBody, query=AZURE, waits=True, events=True
    ),
    "HuggingFaceService.Embed": Operation(list[Vector], hugging_face.EmbedBody, waits=True),
    "HuggingFaceService.EmbedModel": Operation(list[Vector], hugging_face.EmbedBody, waits=True),
    "HuggingFaceService.Summarize": Operation(list[SummaryJson], SummaryBody, waits=True),
    "HuggingFaceService.SummarizeModel": Operation(list[SummaryJson], SummaryBody, waits=True),
    "HuggingFaceService.Translate": Operation(list[TranslationJson], TranslationBody, waits=True),
    "HuggingFaceService.TranslateModel": Operation(list[TranslationJson], TranslationBody, waits=True),
    "HuggingFaceService.AnswerVisualQuestion": Operation(list[QuestionAnswerJson], QuestionBody, waits=True),
    "HuggingFaceService.AnswerVisualQuestionModel": Operation(list[QuestionAnswerJson], QuestionBody, waits=True),
    "HuggingFaceService.AnswerDocumentQuestion": Operation(list[QuestionAnswerJson], DocumentBody, waits=True),
    "HuggingFaceService.AnswerDocumentQuestionModel": Operation(list[QuestionAnswerJson], DocumentBody, waits=True),
    "HuggingFaceService.DescribeImage": Operation(list[ImageTextJson], ImageBody, waits=True),
    "HuggingFaceService.DescribeImageModel": Operation(list[ImageTextJson], ImageBody, waits=True),
    "HuggingFaceService.AnswerQuestion": Operation(AnswerJson, AnswerBody, or_answers=_ANSWERS, waits=True),
    "HuggingFaceService.AnswerQuestionModel": Operation(AnswerJson, AnswerBody, or_answers=_ANSWERS, waits=True),
    "HuggingFaceService.AnswerTableQuestion": Operation(TableAnswerJson, TableBody, or_answers=_TABLES, waits=True),
    "HuggingFaceService.AnswerTableQuestionModel": Operation(
        TableAnswerJson, TableBody, or_answers=_TABLES, waits=True
    ),
    "HuggingFaceService.FillMask": Operation(_FILLINGS[0], FillMaskBody, or_answers=_FILLINGS, waits=True),
    "HuggingFaceService.FillMaskModel": Operation(_FILLINGS[0], FillMaskBody, or_answers=_FILLINGS, waits=True),
    "ClassificationService.Classify": Operation(
        _ENTITIES[0],
        classification.ClassifyBody,
        or_bodies=(vllm.ClassifyInputBody,),
        or_answers=(*_LABELS, *_ENTITIES, vllm.ClassifiedJson),
        waits=True,
    ),
    "ClassificationService.ClassifyModel": Operation(_ENTITIES[0], classification.ClassifyBody, **_SCORES),
    "ClassificationService.ScoreTexts": Operation(vllm.ScoredJson, vllm.ScoreBody, waits=True),
    "ClassificationService.RerankDocuments": Operation(
        classification.RerankJson, classification.RerankBody, waits=True
    ),
    "TextEmbeddingsService.EmbedTexts": Operation(list[Vector], hugging_face.EmbedBody, **_TEI),
    "TextEmbeddingsService.Run": Operation(_ANY_ANSWER, hugging_face.EmbedBody, **_ANY),
    "TextEmbeddingsService.RunModel": Operation(_ANY_ANSWER, hugging_face.EmbedBody, **_ANY),
    "TextEmbeddingsService.RunPipeline": Operation(_ANY_ANSWER, hugging_face.EmbedBody, **_ANY),
    "TextEmbeddingsService.Similarity": Operation(list[float], tei.SimilarityBody, **_TEI),
    "TextEmbeddingsService.EmbedAll": Operation(list[list[list[float]]], tei.EmbedAllBody, **_TEI),
    "TextEmbeddingsService.Tokenize": Operation(list[list[tei.TokenJson]], tei.TokenizeBody, **_TEI),
    "TextEmbeddingsService.Decode": Operation(list[str], tei.DecodeBody, **_TEI),
    "TextEmbeddingsService.Rerank": Operation(list[classification.RankJson], classification.RankBody, **_TEI),
    "TextEmbeddingsService.Predict": Operation(_LABELS[0], classification.PredictBody, or_answers=_LABELS, **_TEI),
    "TextEmbeddingsService.EmbedSparse": Operation(list[list[tei.SparseValueJson]], tei.EmbedSparseBody, **_TEI),
    "TextEmbeddingsService.Info": Operation(
        dict[str, Any], error=tei.TextEmbeddingsErrorJson, or_answers=(TextEmbeddingsInfoJson, TextGenerationInfoJson)
    ),
    "TextGenerationService.Generate": Operation(tgi.GeneratedTextJson, tgi.TextGenerationBody, **_TGI),
    "TextGenerationService.GenerateStream": Operation(tgi.GeneratedTextJson, tgi.TextGenerationBody, **_TGI),
    "PanopeService.TokenizeText": Operation(token_schemas.TokensJson, token_schemas.TokenizeTextBody, waits=True),
    "PanopeService.DetokenizeText": Operation(token_schemas.TextJson, token_schemas.DetokenizeTextBody, waits=True),
    "PanopeService.Infer": Operation(infer_schemas.InferJson, infer_schemas.InferBody, waits=True),
}
