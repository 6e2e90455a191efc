"""The grammar of the command line: verbs, their options, their help.

Verbs that kubectl has take kubectl's arguments. Usage errors are one line and exit status 2.

Outside the ring.
"""

import argparse
import sys
from typing import NoReturn

RUNTIMES = ("auto", "sandbox", "plain", "fake")


class Parser(argparse.ArgumentParser):
    """argparse whose usage errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line and exit with status 2."""
        print(f"error: {message}; see '{self.prog} --help'", file=sys.stderr)
        raise SystemExit(2)


def build() -> Parser:
    """Return the parser of the whole command line; each verb sets `verb` to `module:function`."""
    parser = Parser(
        prog="arubeki",
        description="Kubernetes' programming model: write controllers, run a cluster, see it work.",
    )
    parser.add_argument("--version", action="store_const", const="up:version", dest="verb")
    verbs = parser.add_subparsers(metavar="VERB", parser_class=Parser)
    _up(verbs)
    _run(verbs)
    _apply(verbs)
    _get(verbs)
    _delete(verbs)
    _logs(verbs)
    _tree(verbs)
    return parser


def _up(verbs: "argparse._SubParsersAction[Parser]") -> None:
    verb = verbs.add_parser("up", help="start a cluster and stay until Ctrl-C")
    _cluster_options(verb)
    verb.add_argument(
        "--kubeconfig",
        metavar="FILE",
        help="write the kubeconfig there and touch no other (default: merge a context 'arubeki' "
        "into the usual one, taken away on exit)",
    )
    verb.set_defaults(verb="up:up")


def _cluster_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--port",
        type=_port,
        metavar="PORT",
        help="port of the API on 127.0.0.1 (default: 6443, or the next that is free)",
    )
    where = verb.add_mutually_exclusive_group()
    where.add_argument(
        "--data", metavar="DIR", help="keep the state there (default: the user's state directory)"
    )
    where.add_argument("--memory", action="store_true", help="keep the state in memory only")
    where.add_argument(
        "--storage",
        metavar="URL",
        type=_storage,
        help="keep the state in an etcd: etcd://HOST:PORT",
    )
    verb.add_argument(
        "--nodes",
        type=_count,
        default=1,
        metavar="N",
        help="number of nodes, 0 to 100 (default: 1)",
    )
    verb.add_argument(
        "--runtime", choices=RUNTIMES, default="auto", help="how Pods run (default: auto)"
    )


def _run(verbs: "argparse._SubParsersAction[Parser]") -> None:
    verb = verbs.add_parser("run", help="run the controllers of a Python file until Ctrl-C")
    verb.add_argument("file", metavar="FILE", help="a Python file that makes an arubeki.App")
    verb.add_argument("--up", action="store_true", help="start a cluster for it first")
    _cluster_options(verb)
    _connection_options(verb)
    verb.add_argument(
        "--no-crds", action="store_true", help="do not apply the CRDs of the file's kinds first"
    )
    verb.set_defaults(verb="run:run")


def _apply(verbs: "argparse._SubParsersAction[Parser]") -> None:
    verb = verbs.add_parser("apply", help="bring objects into the state that manifests describe")
    _file_option(verb, required=True)
    _connection_options(verb)
    _namespace_option(verb)
    verb.add_argument("--force-conflicts", action="store_true", help="take over others' fields")
    verb.add_argument("--field-manager", default="arubeki", help="name to apply under")
    verb.add_argument(
        "--dry-run", choices=("none", "server"), default="none", help="store nothing with 'server'"
    )
    _output_option(verb, ("json", "yaml", "name"))
    verb.set_defaults(verb="objects:apply")


def _get(verbs: "argparse._SubParsersAction[Parser]") -> None:
    verb = verbs.add_parser("get", help="show objects")
    verb.add_argument("what", nargs="*", metavar="KIND [NAME ...] | KIND/NAME ...")
    _file_option(verb, required=False)
    _connection_options(verb)
    _namespace_option(verb)
    verb.add_argument("-A", "--all-namespaces", action="store_true", help="across all namespaces")
    verb.add_argument("-l", "--selector", default="", help="label selector")
    verb.add_argument("--field-selector", default="", help="field selector")
    verb.add_argument("-w", "--watch", action="store_true", help="go on showing changes")
    verb.add_argument("--no-headers", action="store_true", help="leave the column names out")
    verb.add_argument("--show-labels", action="store_true", help="labels as the last column")
    verb.add_argument("--ignore-not-found", action="store_true", help="exit 0 if it is not there")
    _output_option(verb, ("wide", "json", "yaml", "name"))
    verb.set_defaults(verb="objects:get")


def _delete(verbs: "argparse._SubParsersAction[Parser]") -> None:
    verb = verbs.add_parser("delete", help="delete objects")
    verb.add_argument("what", nargs="*", metavar="KIND NAME ... | KIND/NAME ...")
    _file_option(verb, required=False)
    _connection_options(verb)
    _namespace_option(verb)
    verb.add_argument("-l", "--selector", default="", help="all of a kind that bear these labels")
    verb.add_argument("--all", action="store_true", help="all of a kind")
    verb.add_argument("--grace-period", type=int, metavar="SECONDS", help="time to end in")
    verb.add_argument("--force", action="store_true", help="with --grace-period=0: at once")
    verb.add_argument(
        "--cascade",
        choices=("background", "foreground", "orphan"),
        default="background",
        help="what becomes of dependents (default: background)",
    )
    verb.add_argument(
        "--wait",
        type=_boolean,
        nargs="?",
        const=True,
        default=True,
        metavar="true|false",
        help="wait until they are gone (default: true)",
    )
    verb.add_argument("--ignore-not-found", action="store_true", help="exit 0 if it is not there")
    _output_option(verb, ("name",))
    verb.set_defaults(verb="objects:delete")


def _logs(verbs: "argparse._SubParsersAction[Parser]") -> None:
    verb = verbs.add_parser("logs", help="show what a container printed")
    verb.add_argument("what", metavar="POD | KIND/NAME")
    verb.add_argument("container_name", nargs="?", metavar="CONTAINER")
    _connection_options(verb)
    _namespace_option(verb)
    verb.add_argument("-c", "--container", default="", help="which container")
    verb.add_argument("-f", "--follow", action="store_true", help="go on as it prints")
    verb.add_argument("-p", "--previous", action="store_true", help="of the run before this one")
    verb.add_argument("--tail", type=int, default=-1, metavar="LINES", help="the last lines only")
    verb.add_argument("--since", default="", metavar="DURATION", help="as 5s, 2m, 3h")
    verb.add_argument("--timestamps", action="store_true", help="when each line was printed")
    verb.set_defaults(verb="logs:logs")


def _tree(verbs: "argparse._SubParsersAction[Parser]") -> None:
    verb = verbs.add_parser("tree", help="show an object and what belongs to it")
    verb.add_argument("what", metavar="KIND/NAME")
    _connection_options(verb)
    _namespace_option(verb)
    verb.set_defaults(verb="tree:tree")


def _connection_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--kubeconfig", metavar="FILE", help="the kubeconfig to use")
    verb.add_argument("--context", default="", help="its context to use (default: the current one)")


def _namespace_option(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("-n", "--namespace", default="", help="namespace (default: the context's)")


def _file_option(verb: argparse.ArgumentParser, *, required: bool) -> None:
    verb.add_argument(
        "-f",
        "--filename",
        action="append",
        default=[],
        required=required,
        metavar="FILE",
        help="manifests: a file, a folder, or - for standard input; may be repeated",
    )
    verb.add_argument("-R", "--recursive", action="store_true", help="folders within folders too")


def _output_option(verb: argparse.ArgumentParser, choices: tuple[str, ...]) -> None:
    verb.add_argument("-o", "--output", choices=choices, default="", help="form of the output")


def _port(text: str) -> int:
    number = _number(text)
    if not 0 < number < 65536:
        raise argparse.ArgumentTypeError(f"{text} is not a port (1 to 65535)")
    return number


def _count(text: str) -> int:
    number = _number(text)
    # A node takes one of the 127.x ranges; the scheduler and the figures are known up to 100.
    if not 0 <= number <= 100:
        raise argparse.ArgumentTypeError(f"{text} is not a number of nodes (0 to 100)")
    return number


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def _storage(text: str) -> str:
    if not text.startswith("etcd://"):
        raise argparse.ArgumentTypeError(f"{text!r} is no storage; known: etcd://HOST:PORT")
    return text


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text == "true"
