"""The process manager: supervisor, with each line of output named after its program and with retries that never end.

Run by `kener up` as `python -m kener.cli.supervise CONFIGURATION`.
"""

import os
import sys
import time
from typing import Any

from supervisor import loggers
from supervisor.dispatchers import POutputDispatcher
from supervisor.medusa.asyncore_25 import ExitNow
from supervisor.options import ProcessConfig, ServerOptions
from supervisor.process import Subprocess
from supervisor.states import ProcessStates
from supervisor.supervisord import Supervisor

from kener.cli.processes import die_with_parent

LONGEST_PAUSE_S = 10
NAME_WIDTH = 12
FIRST = ("redis", "web")
HEAD_START_S = 1.5
"""Redis and the pages come first: visitors wait for them, and on a small machine four starting programs slow each other down."""


def main() -> None:
    """Run the programs of a configuration until SIGTERM or SIGINT."""
    options = Options()
    options.realize(["--nodaemon", "--configuration", sys.argv[1]], doc="")
    options.first, options.test = True, False
    try:
        Manager(options).main()
    except ExitNow:
        options.logger.info("everything has stopped")
    finally:
        options.close_logger()


class Manager(Supervisor):  # type: ignore[misc]
    """Starts the first programs at once; the original waits a second first."""

    def runforever(self) -> None:
        self.options.begun = time.monotonic()
        for group in sorted(self.process_groups.values()):
            group.transition()
        super().runforever()


class Options(ServerOptions):  # type: ignore[misc]
    """Logs to standard output only, and makes our kind of program."""

    def make_logger(self) -> None:
        self.logger = loggers.getLogger(self.loglevel)
        loggers.handle_stdout(self.logger, named("kener", "%(message)s\n"))
        for message in (*self.parse_criticals, *self.parse_warnings):
            self.logger.warn(message)

    def processes_from_section(self, parser: Any, section: str, group_name: str, klass: object = None) -> Any:
        return super().processes_from_section(parser, section, group_name, ProgramConfig)


class ProgramConfig(ProcessConfig):  # type: ignore[misc]
    """A program whose output goes line by line to ours."""

    def make_process(self, group: Any = None) -> "Program":
        process = Program(self)
        process.group = group
        return process

    def make_dispatchers(self, process: "Program") -> tuple[dict[int, Any], dict[str, int]]:
        dispatchers, pipes = super().make_dispatchers(process)
        output = dispatchers[pipes["stdout"]]
        dispatchers[pipes["stdout"]] = Lines(process, output.event_type, output.fd)
        return dispatchers, pipes


class Program(Subprocess):  # type: ignore[misc]
    """A child that dies with us and is restarted after a pause that has a limit."""

    backoff: int
    delay: float

    def transition(self) -> None:
        waits = not self.laststart and self.config.name not in FIRST
        if waits and time.monotonic() < self.config.options.begun + HEAD_START_S:
            return
        super().transition()

    def change_state(self, new_state: int, expected: bool = True) -> Any:
        changed = super().change_state(new_state, expected)
        if new_state == ProcessStates.BACKOFF:
            self.backoff = min(self.backoff, LONGEST_PAUSE_S)
            self.delay = time.time() + self.backoff
        return changed

    def _spawn_as_child(self, filename: str, argv: list[str]) -> None:
        die_with_parent()
        super()._spawn_as_child(filename, argv)


class Lines(POutputDispatcher):  # type: ignore[misc]
    """Passes a program's output on in whole lines with its name in front, so that two programs never share a line."""

    held = b""

    def _log(self, data: bytes) -> None:
        *lines, self.held = (self.held + data).split(b"\n")
        if len(self.held) > 65_536:
            lines, self.held = [*lines, self.held], b""
        self._write(lines)

    def close(self) -> None:
        if self.held:
            self._write([self.held])
            self.held = b""
        super().close()

    def _write(self, lines: list[bytes]) -> None:
        name = self.process.config.name
        text = b"".join(named(name, "").encode() + line + b"\n" for line in lines)
        try:
            while text:
                text = text[os.write(1, text) :]
        except OSError:
            # Whoever read our output has gone; the programs go on.
            return


def named(name: str, line: str) -> str:
    """A line of output with its program in front."""
    return f"{name:<{NAME_WIDTH}} | {line}"


if __name__ == "__main__":
    main()
