"""OpenAI's events of a transcription."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from google.api.httpbody_pb2 import HttpBody

from panope_backends.errors import CallerError
from panope_server.pipeline.call import Call
from panope_server.tasks.speech.transcribe import TranscribeOutput
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.rest.json.events import EVENTS, error_fields, event, known_error
from panope_server.transport.rest.json.responses import messages_of
from panope_server.transport.rest.speech.formats import usage_of


async def transcript_events(pipeline: Pipeline, call: Call, names: Callable[[str], str]) -> AsyncIterator[HttpBody]:
    """What there is more of the text, and at the end all of it.

    Args:
        pipeline: runs the call.
        call: that is transcribed.
        names: of fields, for errors.

    Raises:
        PanopeError: before the first event; a later one is an event itself, the last.
    """
    text, seconds, begun = "", 0.0, False
    try:
        async with pipeline.stream(call) as parts:
            async for part in parts:
                assert isinstance(part, TranscribeOutput)
                seconds = part.duration
                new = "".join(each.text for each in part.segments)
                new = new if text else new.lstrip()
                if not new:
                    continue
                text += new
                for message in messages_of("" if begun else EVENTS, _event("delta", delta=new)):
                    yield message
                begun = True
        last = _event("done", text=text.strip(), usage=usage_of(seconds))
    except Exception as error:  # the boundary: whatever it is must not look like a good end
        known = error.renamed(names) if isinstance(error, CallerError) else error
        if not begun:
            raise known from None
        last = event({"error": error_fields(known_error(known))})
    for message in messages_of("" if begun else EVENTS, last):
        yield message


def _event(kind: str, **fields: object) -> bytes:
    return event({"type": f"transcript.text.{kind}", **fields})
