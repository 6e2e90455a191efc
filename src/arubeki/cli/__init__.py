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
    if not hasattr(options, "verb"):
        parser.print_help()
        return 2
    return _called(options.verb, options)


def _called(verb: str, options: object) -> int:
    """Import the module of `verb`, run it, and turn errors into one line each."""
    import importlib

    from arubeki.errors import ArubekiError, ConfigError

    module_name, function_name = verb.split(":")
    try:
        function = getattr(importlib.import_module(f"arubeki.cli.{module_name}"), function_name)
        return int(function(options))
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ArubekiError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read our output has gone (`arubeki get pods | head -1`); that is no failure.
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130
