"""The `panope` command: one function for each subcommand, its imports inside, so that each starts fast."""

from __future__ import annotations

import typer

from panope_server.cli import (
    alias_commands,
    bench_command,
    build_command,
    discover_command,
    inspect_commands,
    job_commands,
    model_commands,
    pin_commands,
    pull_commands,
    registry_commands,
    serve_command,
    show_command,
    store_commands,
)

app = typer.Typer(
    name="panope",
    help="A gRPC-native inference server for many models on mixed hardware.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

app.command("serve")(serve_command.serve)
app.command("import")(registry_commands.import_folder)
app.command("register")(pull_commands.register)
app.command("pull")(pull_commands.pull)
app.command("build")(build_command.build)
app.command("ls")(registry_commands.ls)
app.command("show")(show_command.show)
app.command("discover")(discover_command.discover)
app.command("files")(store_commands.files)
app.command("pin")(pin_commands.pin)
app.command("unpin")(pin_commands.unpin)
app.command("rm")(store_commands.rm)
app.command("gc")(store_commands.gc)
app.command("du")(store_commands.du)
app.command("verify")(store_commands.verify)
app.add_typer(alias_commands.alias, name="alias")
app.add_typer(job_commands.jobs, name="jobs")
app.command("job-worker")(job_commands.worker)
app.command("ps")(model_commands.ps)
app.command("load")(model_commands.load)
app.command("unload")(model_commands.unload)
app.command("embed")(model_commands.embed)
app.command("bench")(bench_command.bench)
app.command("hardware")(inspect_commands.hardware)
app.command("doctor")(inspect_commands.doctor)
app.command("version")(inspect_commands.version)


def main() -> None:
    """The console script."""
    app()
