"""The command line: verbs, each importing what it needs when it is called.

`arubeki --help` must answer at once, so this module and `cli.parser` import the standard library's
argparse and nothing else; a verb's module is imported when the verb is.

Outside the ring: [you > **cli** > client].
"""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 failed, 2 misused."""
    from arubeki.cli.parser import build

    parser = build()
    options = parser.parse_args(sys.argv[1:] if arguments is None else list(arguments))
    if not getattr(options, "verb", None):
        parser.print_help(sys.stderr)
        return 2
    try:
        return _called(options.verb, options)
    except BrokenPipeError:
        # Whoever read our output has gone (`arubeki get pods | head -1`); that is no failure. What
        # is still buffered would fail once more at the end, so it goes nowhere.
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _called(verb: str, options: object) -> int:
    """Import the module of `verb`, run it, and turn expected errors into lines."""
    import gc
    import importlib

    from arubeki.cli import failures
    from arubeki.errors import ArubekiError

    module_name, function_name = verb.split(":")
    try:
        gc.disable()  # what an import makes stays: there is nothing to collect
        try:
            module = importlib.import_module(f"arubeki.cli.{module_name}")
        finally:
            gc.enable()
        status = int(getattr(module, function_name)(options))
        sys.stdout.flush()
        return status
    except ArubekiError as error:
        sys.stdout.flush()
        print(failures.told(error), file=sys.stderr)
        return failures.status(error)
