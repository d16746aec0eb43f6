"""How `frame-interpolation` models are loaded, and which requests they answer."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from panope.worker.v1 import frame_interpolation_pb2 as messages
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.graphs.frame_description import FrameDescription
from panope_backends.graphs.frame_times import check_frame_times
from panope_backends.graphs.terms import FILE
from panope_backends.media.audio import import_av
from panope_backends.media.limits import MediaLimits
from panope_backends.media.video_reader import VideoReader
from panope_backends.tasks.frame_interpolation.between import FramesBetween
from panope_backends.tasks.frame_interpolation.job import InterpolationJob
from panope_backends.tasks.frame_interpolation.timeline import Multiplied, Resampled, Timeline
from panope_backends.tasks.graphs.loading import is_described, read_folder
from panope_backends.tasks.task import Job, LoadedTask, ModelSource, TaskModule

#: Of rates: that of NTSC is 1001 in the denominator.
_MOST_DENOMINATOR = 1001


class FrameInterpolationModule(TaskModule):
    """Loads a graph that makes the frame between two."""

    name = "frame-interpolation"

    def load(self, source: ModelSource) -> LoadedTask:
        """Loads the graph, and makes a small frame."""
        import_av()  # without it nothing could be read
        described = read_folder(source.folder) if is_described(source.folder) else None
        if not isinstance(described, FrameDescription):
            raise PreconditionError(
                f"a model of the task `{self.name}` is a graph that {FILE} describes", reason="unsupported_model"
            )
        model = source.load({})
        try:
            between = FramesBetween(model, described)
            between.trial()
        except BaseException:  # whatever it was, the memory is free for the next candidate
            model.close()
            raise
        requests = {self.name: VideoRequests(between, source.media_limits).prepare}
        facts = messages.FrameInterpolationFacts(takes_timestep=between.takes_timestep).SerializeToString()
        return LoadedTask(model, {}, requests, facts=facts, prepares_long=True)


@dataclass(frozen=True)
class VideoRequests:
    """What makes jobs for one model.

    Attributes:
        model: makes frames.
        limits: that videos must keep.
    """

    model: FramesBetween
    limits: MediaLimits

    def prepare(self, data: bytes) -> Job:
        """The job of a message.

        Raises:
            InvalidInputError: a field of the request is wrong for this model, or the video is none.
        """
        message = messages.FrameInterpolationInput.FromString(data)
        takes_timestep = self.model.takes_timestep
        check_frame_times(message.factor, message.frames_per_second, takes_timestep=takes_timestep)
        reader = VideoReader(message.video, self.limits)
        most = self.limits.max_video_frames
        try:
            timeline = _timeline(message, reader)
            if timeline.total(reader.frames) > most:
                raise InvalidInputError.at(
                    "video",
                    "{field} has {frames:,} frames and would become one of {total:,}; the limit is {limit:,}",
                    frames=reader.frames,
                    total=timeline.total(reader.frames),
                    limit=most,
                )
        except BaseException:
            reader.close()
            raise
        return InterpolationJob(self.model, reader, timeline, message.output_format, most)


def _timeline(message: messages.FrameInterpolationInput, reader: VideoReader) -> Timeline:
    if message.frames_per_second:
        wanted = Fraction(message.frames_per_second).limit_denominator(_MOST_DENOMINATOR)
        return Resampled(reader.time_base, reader.rate, wanted)
    return Multiplied(reader.time_base, reader.rate, message.factor)
