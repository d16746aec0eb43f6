"""Routes that run models on images, videos and audio."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from generator.operations.operation import AZURE, FORM, Limit, Operation, Text
from panope_server.tasks.speech.speak import MEDIA_TYPES
from panope_server.transport.rest.depth import schemas as depth
from panope_server.transport.rest.detection import schemas as detection
from panope_server.transport.rest.image_generation import openai_schemas as images
from panope_server.transport.rest.image_generation.hugging_face_schemas import ImageToImageBody, TextToImageBody
from panope_server.transport.rest.ocr import schemas as ocr
from panope_server.transport.rest.openai.videos import schemas as videos
from panope_server.transport.rest.panope.registry_schemas import AcceptedJson
from panope_server.transport.rest.segmentation import schemas as segmentation
from panope_server.transport.rest.speech import fields as speech_fields
from panope_server.transport.rest.speech import formats as speech
from panope_server.transport.rest.speech.audio_labels import AudioLabelJson, AudioLabelsBody
from panope_server.transport.rest.speech.recognition import RecognitionBody
from panope_server.transport.rest.speech.speaking import SpeakBody, SpeechBody
from panope_server.transport.rest.speech.voice_activity import VoiceActivityForm, VoiceActivityJson
from panope_server.transport.rest.super_resolution.schemas import SuperResolutionBody
from panope_server.transport.rest.video.interpolation import VideoInterpolationForm
from panope_server.transport.rest.video.schemas import VideoGenerationBody

_UPSCALED: Mapping[str, Any] = {"media": "image/png", "or_media": ("image/jpeg",), "waits": True}
_TRANSCRIPTS = ("text/plain", "text/vtt")
_DRAWN: Mapping[str, Any] = {"media": "image/png", "or_media": ("image/jpeg", "image/webp"), "waits": True}

METHODS: Mapping[str, Operation] = {
    "SpeechService.CreateTranscription": Operation(
        speech.TranscriptionJson,
        speech_fields.TranscriptionForm,
        body_media=FORM,
        or_answers=(speech.TranscriptionJson, speech.VerboseTranscriptionJson),
        or_media=_TRANSCRIPTS,
        query=AZURE,
        waits=True,
        events=True,
    ),
    "SpeechService.CreateTranslation": Operation(
        speech.TranscriptionJson,
        speech_fields.TranslationForm,
        body_media=FORM,
        or_answers=(speech.TranscriptionJson, speech.VerboseTranscriptionJson),
        or_media=_TRANSCRIPTS,
        query=AZURE,
        waits=True,
    ),
    "SpeechService.DetectVoiceActivity": Operation(VoiceActivityJson, VoiceActivityForm, body_media=FORM, waits=True),
    "SpeechService.ClassifyAudio": Operation(list[AudioLabelJson], AudioLabelsBody, waits=True),
    "SpeechService.ClassifyAudioModel": Operation(list[AudioLabelJson], AudioLabelsBody, waits=True),
    "SpeechService.RecognizeSpeech": Operation(speech.RecognitionJson, RecognitionBody, waits=True),
    "SpeechService.RecognizeSpeechModel": Operation(speech.RecognitionJson, RecognitionBody, waits=True),
    "SpeechService.CreateSpeech": Operation(
        body=SpeechBody, media=MEDIA_TYPES["mp3"], or_media=tuple(MEDIA_TYPES.values()), query=AZURE, waits=True
    ),
    "SpeechService.SpeakText": Operation(body=SpeakBody, media="audio/flac", waits=True),
    "SpeechService.SpeakTextModel": Operation(body=SpeakBody, media="audio/flac", waits=True),
    "DetectionService.Detect": Operation(list[detection.DetectionJson], detection.DetectBody, waits=True),
    "DetectionService.DetectModel": Operation(list[detection.DetectionJson], detection.DetectBody, waits=True),
    "OcrService.Recognize": Operation(ocr.OcrJson, ocr.OcrBody, waits=True),
    "OcrService.RecognizeModel": Operation(ocr.OcrJson, ocr.OcrBody, waits=True),
    "SegmentationService.Segment": Operation(list[segmentation.ImageSegmentJson], segmentation.SegmentBody, waits=True),
    "SegmentationService.SegmentModel": Operation(
        list[segmentation.ImageSegmentJson], segmentation.SegmentBody, waits=True
    ),
    "DepthEstimationService.EstimateDepth": Operation(depth.DepthJson, depth.DepthBody, waits=True),
    "DepthEstimationService.EstimateDepthModel": Operation(depth.DepthJson, depth.DepthBody, waits=True),
    "SuperResolutionService.Upscale": Operation(body=SuperResolutionBody, **_UPSCALED),
    "SuperResolutionService.UpscaleModel": Operation(body=SuperResolutionBody, **_UPSCALED),
    "ImageGenerationService.CreateImage": Operation(
        images.ImagesJson, images.ImageGenerationBody, query=AZURE, waits=True
    ),
    "ImageGenerationService.CreateImageEdit": Operation(
        images.ImagesJson, images.ImageEditForm, body_media=FORM, query=AZURE, waits=True
    ),
    "GenerationJobService.SubmitImages": Operation(
        AcceptedJson, images.ImageGenerationBody, status=202, waits=True, makes_job=True
    ),
    "GenerationJobService.SubmitVideo": Operation(
        AcceptedJson, VideoGenerationBody, status=202, waits=True, makes_job=True
    ),
    "GenerationJobService.SubmitInterpolation": Operation(
        AcceptedJson, VideoInterpolationForm, body_media=FORM, status=202, waits=True, makes_job=True
    ),
    "OpenAiVideoService.CreateVideo": Operation(
        videos.VideoJson, videos.VideoForm, body_media=FORM, waits=True, makes_job=True
    ),
    "OpenAiVideoService.ListVideos": Operation(
        videos.VideosJson, query={"after": Text, "limit": Limit, "order": Literal["desc"]}
    ),
    "OpenAiVideoService.GetVideo": Operation(videos.VideoJson),
    "OpenAiVideoService.DeleteVideo": Operation(videos.DeletedVideoJson, expires=True),
    "ImageGenerationService.TextToImage": Operation(body=TextToImageBody, **_DRAWN),
    "ImageGenerationService.TextToImageModel": Operation(body=TextToImageBody, **_DRAWN),
    "ImageGenerationService.ImageToImage": Operation(body=ImageToImageBody, **_DRAWN),
    "ImageGenerationService.ImageToImageModel": Operation(body=ImageToImageBody, **_DRAWN),
    "VideoService.GenerateVideo": Operation(
        body=VideoGenerationBody, media="video/mp4", or_media=("video/webm",), waits=True
    ),
    "VideoService.InterpolateVideo": Operation(
        body=VideoInterpolationForm, body_media=FORM, media="video/mp4", or_media=("video/webm",), waits=True
    ),
}
