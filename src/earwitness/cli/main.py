"""The command `earwitness`. A command's module is imported only when it is called, so that help comes at once."""

from __future__ import annotations

import importlib
import importlib.util
import os
import signal
import sys

import click

from earwitness.cli.leaving import leave

COMMANDS = {
    "caption": "Say what can be heard in audio files.",
    "serve": "Answer the captioner's HTTP protocols on this machine.",
    "bulk": "Caption many files, and go on where it stopped.",
    "models": "List, fetch and check the model files.",
    "keys": "Create, list and revoke keys of the server.",
    "usage": "Show what callers of the server have used.",
    "fit": "Make a smaller file of the same audio.",
    "doctor": "Say what this machine has and what is missing.",
}
"""Commands in the order of the help page; each is `command` of the module of that name in this folder."""

FAILED = 1
INTERRUPTED = 130


class LazyGroup(click.Group):
    """Knows its commands' names and first lines without importing them."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return [name for name in COMMANDS if importlib.util.find_spec(f"earwitness.cli.{name}")]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command = importlib.import_module(f"earwitness.cli.{cmd_name}").command
        assert isinstance(command, click.Command)  # noqa: S101
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])


def show_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    """Prints the version and ends."""
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"earwitness {version('earwitness')}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  earwitness caption birds.mp3          print what can be heard
  earwitness caption --evidence a.wav   ... and what each sentence rests on
  earwitness caption --json *.wav       one JSON object a file
  earwitness COMMAND --help             more examples of a command

\b
Completion of names: put the line for your shell into its start-up file.
  eval "$(_EARWITNESS_COMPLETE=bash_source earwitness)"
  eval "$(_EARWITNESS_COMPLETE=zsh_source earwitness)"
""",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=show_version, help="Print the version."
)
def cli() -> None:
    """Listens to audio and says, in good English, exactly what can be heard, and why it says so."""


def main() -> None:
    """Runs the command line and ends the process: 0 done, 1 failed, 2 wrong call, 3 some failed, 130 interrupted."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    leave(run())


def run(arguments: list[str] | None = None) -> int:
    """The exit status of a command line; messages go to standard error."""
    from earwitness.errors import EarwitnessError

    try:
        status = cli.main(args=arguments, prog_name="earwitness", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 0 if arguments == [] or len(sys.argv) <= 1 else error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("earwitness: interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        return FAILED
    except EarwitnessError as error:
        for line in error.message.splitlines():
            click.echo(f"earwitness: {line}", err=True)
        return 2 if error.code == "settings" else FAILED
    return status if isinstance(status, int) else 0
