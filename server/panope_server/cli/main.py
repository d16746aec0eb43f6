"""The `panope` command: one function for each subcommand, its imports inside, so that each starts fast."""

from __future__ import annotations

from typing import Annotated

import typer

from panope_server.cli.access import audit, keys, limits
from panope_server.cli.chat import commands as chat
from panope_server.cli.inference import (
    depth,
    embed,
    generate_image,
    generate_video,
    infer,
    interpolate,
    labels,
    ocr,
    speech,
    superres,
    text_to_text,
    texts,
    vision,
)
from panope_server.cli.jobs import jobs, worker
from panope_server.cli.machine import catalogue
from panope_server.cli.machine import commands as machine
from panope_server.cli.models import alias, bench, build, discover, import_and_ls, pull, recommend, show, update
from panope_server.cli.output.usage import CommandGroup, PanopeGroup
from panope_server.cli.records import log, usage
from panope_server.cli.server import cache, models, ps, serve
from panope_server.cli.store import pin, store


def _print_version(asked: bool) -> None:
    if asked:
        machine.version()
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)]

app = typer.Typer(
    name="panope",
    cls=PanopeGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # its boxes take longer to import than all commands
    pretty_exceptions_enable=False,
)


@app.callback()
def options(version: Version = False) -> None:
    """A gRPC-native inference server for many models on mixed hardware."""


app.command("serve")(serve.serve)
app.command("import")(import_and_ls.import_folder)
app.command("register")(pull.register)
app.command("pull")(pull.pull)
app.command("build")(build.build)
app.command("ls")(import_and_ls.ls)
app.command("show")(show.show)
app.command("update")(update.update)
app.command("discover")(discover.discover)
app.command("files")(store.files)
app.command("pin")(pin.pin)
app.command("unpin")(pin.unpin)
app.command("rm")(store.rm)
app.command("gc")(store.gc)
app.command("du")(store.du)
app.command("verify")(store.verify)
app.add_typer(alias.alias, name="alias", cls=CommandGroup)
app.add_typer(keys.keys, name="keys", cls=CommandGroup)
app.add_typer(limits.limits, name="limits", cls=CommandGroup)
app.command("audit")(audit.audit)
app.add_typer(jobs.jobs, name="jobs", cls=CommandGroup)
app.command("job-worker")(worker.worker)
app.command("ps")(ps.ps)
app.command("load")(models.load)
app.command("unload")(models.unload)
app.command("infer")(infer.infer)
app.command("embed")(embed.embed)
app.command("classify")(labels.classify)
app.command("rerank")(labels.rerank)
app.command("detect")(vision.detect)
app.command("segment")(vision.segment)
app.command("depth")(depth.depth)
app.command("ocr")(ocr.ocr)
app.command("superres")(superres.superres)
app.command("ask")(texts.ask)
app.command("fill-mask")(texts.fill_mask)
app.command("summarize")(text_to_text.summarize)
app.command("translate")(text_to_text.translate)
app.command("transcribe")(speech.transcribe)
app.command("detect-speech")(speech.detect_speech)
app.command("speak")(speech.speak)
app.command("run")(chat.run)
app.command("generate")(chat.generate)
app.command("generate-image")(generate_image.generate_image)
app.command("generate-video")(generate_video.generate_video)
app.command("interpolate")(interpolate.interpolate)
app.add_typer(cache.cache, name="cache", cls=CommandGroup)
app.command("usage")(usage.usage)
app.command("log")(log.log)
app.command("bench")(bench.bench)
app.command("recommend")(recommend.recommend)
app.command("hardware")(machine.hardware)
app.command("doctor")(machine.doctor)
app.command("catalogue")(catalogue.catalogue)
app.command("version")(machine.version)


def main() -> None:
    """The console script."""
    app()
