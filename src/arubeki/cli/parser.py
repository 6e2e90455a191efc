"""The verbs of the command line, their options, their help.

Verbs that kubectl has take kubectl's arguments. Usage errors are one line and exit status 2.

Outside the ring.
"""

import argparse

from arubeki.cli.grammar import Parser

RUNTIMES = ("auto", "sandbox", "plain", "fake")


def build() -> Parser:
    """Return the parser of the whole command line; each verb sets `verb` to `module:function`."""
    parser = Parser(
        prog="arubeki",
        description="Kubernetes' programming model: write controllers, run a cluster, see it work.",
    )
    parser.add_argument(
        "--version",
        action="store_const",
        const="up:version",
        dest="verb",
        help="print the version",
    )
    verbs = parser.add_subparsers(metavar="VERB", parser_class=Parser)
    for add in (_up, _run, _apply, _get, _delete, _logs, _tree):
        add(verbs)
    for one in (parser, *parser.verbs().values()):
        one._option_string_actions["--help"].help = "show this help"
    return parser


def _add(
    verbs: "argparse._SubParsersAction[Parser]",
    name: str,
    text: str,
    rest: str,
    calls: str,
    *examples: str,
) -> Parser:
    """Add a verb that calls `calls`; `rest` is what stands after its options."""
    verb = verbs.add_parser(
        name, description=text, examples=[f"arubeki {name} {one}".rstrip() for one in examples]
    )
    verb.rest = rest
    verb.set_defaults(verb=calls)
    return verb


def _up(verbs: "argparse._SubParsersAction[Parser]") -> None:
    verb = _add(
        verbs, "up", "Start a cluster and stay until Ctrl-C.", "", "up:up",
        "", "--memory --nodes 3", "--data ./state --kubeconfig ./kubeconfig",
    )  # fmt: skip
    _cluster_options(verb)
    verb.add_argument(
        "--kubeconfig",
        metavar="FILE",
        help="merge the context 'arubeki' into this file and touch no other (default: the file that "
        "kubectl would write to); taken out again on exit",
    )


def _cluster_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--port",
        type=_port,
        metavar="PORT",
        help="port of the API on 127.0.0.1, 0 for any that is free (default: 6443, or the next that "
        "is free)",
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
        help="keep the state in an etcd: etcd://HOST:PORT[,HOST:PORT]; a second server on it takes "
        "--nodes 0",
    )
    verb.add_argument(
        "--nodes",
        type=_count,
        default=1,
        metavar="N",
        help="number of nodes, 0 to 100 (default: 1)",
    )
    verb.add_argument(
        "--runtime",
        choices=RUNTIMES,
        default="auto",
        help="how Pods run: in a sandbox, as plain processes, or not at all (default: auto, a "
        "sandbox where that works)",
    )


def _run(verbs: "argparse._SubParsersAction[Parser]") -> None:
    verb = _add(
        verbs, "run", "Run the controllers of a Python file until Ctrl-C.", "FILE", "run:run",
        "controller.py", "controller.py --up --memory",
    )  # fmt: skip
    verb.add_argument("file", metavar="FILE", help="a Python file that makes an arubeki.App")
    verb.add_argument("--up", action="store_true", help="start a cluster for it first")
    _cluster_options(verb)
    _connection_options(verb)
    verb.add_argument(
        "--no-crds", action="store_true", help="do not apply the CRDs of the file's kinds first"
    )


def _apply(verbs: "argparse._SubParsersAction[Parser]") -> None:
    verb = _add(
        verbs, "apply", "Bring objects into the state that manifests describe.",
        "-f FILE ...", "apply:apply", "-f app.yaml", "-f manifests/ -R", "-f - --dry-run=server",
    )  # fmt: skip
    _file_option(verb, required=True)
    _connection_options(verb)
    _namespace_option(verb)
    verb.add_argument("--server-side", action="store_true", help="always so; for kubectl's users")
    verb.add_argument("--force-conflicts", action="store_true", help="take over others' fields")
    verb.add_argument(
        "--field-manager",
        default="arubeki",
        metavar="NAME",
        help="name to own the fields under (default: arubeki)",
    )
    verb.add_argument(
        "--dry-run",
        choices=("none", "server"),
        default="none",
        help="ask the server what would become of it, and store nothing (default: none)",
    )
    _output_option(verb, ("json", "yaml", "name"))


def _get(verbs: "argparse._SubParsersAction[Parser]") -> None:
    verb = _add(
        verbs, "get", "Show objects.", "KIND [NAME ...] | KIND,KIND | KIND/NAME ...", "get:get",
        "pods -A -o wide", "deploy,svc -l app=web", "pod/web -o yaml", "pods -w",
    )  # fmt: skip
    verb.add_argument("what", nargs="*", metavar="WHAT")
    _file_option(verb, required=False)
    _connection_options(verb)
    _namespace_option(verb)
    verb.add_argument("-A", "--all-namespaces", action="store_true", help="across all namespaces")
    verb.add_argument(
        "-l", "--selector", default="", metavar="LABELS", help="only with such labels"
    )
    verb.add_argument(
        "--field-selector", default="", metavar="FIELDS", help="only with such fields"
    )
    verb.add_argument("-w", "--watch", action="store_true", help="go on showing changes")
    verb.add_argument("--watch-only", action="store_true", help="show changes alone")
    verb.add_argument("--no-headers", action="store_true", help="leave the column names out")
    verb.add_argument("--show-labels", action="store_true", help="labels as the last column")
    verb.add_argument("--show-kind", action="store_true", help="the kind before each name")
    verb.add_argument(
        "--show-managed-fields", action="store_true", help="keep managedFields in JSON and YAML"
    )
    verb.add_argument("--ignore-not-found", action="store_true", help="exit 0 if it is not there")
    _output_option(verb, ("wide", "json", "yaml", "name"))


def _delete(verbs: "argparse._SubParsersAction[Parser]") -> None:
    verb = _add(
        verbs, "delete", "Delete objects, and wait until they are gone.",
        "KIND NAME ... | KIND/NAME ...", "delete:delete",
        "pod web", "-f app.yaml", "pods -l app=web --wait=false", "deploy/web --cascade=orphan",
    )  # fmt: skip
    verb.add_argument("what", nargs="*", metavar="WHAT")
    _file_option(verb, required=False)
    _connection_options(verb)
    _namespace_option(verb)
    verb.add_argument(
        "-A", "--all-namespaces", action="store_true", help="of all namespaces, with -l or --all"
    )
    verb.add_argument("-l", "--selector", default="", metavar="LABELS", help="all with such labels")
    verb.add_argument("--field-selector", default="", metavar="FIELDS", help="all with such fields")
    verb.add_argument("--all", action="store_true", help="all of a kind")
    verb.add_argument(
        "--grace-period", type=_number, metavar="SECONDS", help="time that a Pod has to end in"
    )
    verb.add_argument("--now", action="store_true", help="the same as --grace-period=1")
    verb.add_argument(
        "--force", action="store_true", help="at once, without waiting for processes to end"
    )
    verb.add_argument(
        "--cascade",
        choices=("background", "foreground", "orphan"),
        nargs="?",
        const="background",
        default="background",
        help="what becomes of dependents (default: background)",
    )
    verb.add_argument(
        "--wait",
        type=_boolean,
        nargs="?",
        const="true",
        default=True,
        metavar="true|false",
        help="wait until they are gone (default: true)",
    )
    verb.add_argument(
        "--timeout",
        default="0s",
        metavar="DURATION",
        help="how long to wait, as 30s or 2m (default: 0s, a week)",
    )
    verb.add_argument("--ignore-not-found", action="store_true", help="exit 0 if it is not there")
    _output_option(verb, ("name",))


def _logs(verbs: "argparse._SubParsersAction[Parser]") -> None:
    verb = _add(
        verbs, "logs", "Show what a container printed.", "POD | KIND/NAME [CONTAINER]", "logs:logs",
        "web-5d8", "deploy/web -f --tail=20", "web-5d8 -c proxy --since=5m",
    )  # fmt: skip
    verb.add_argument("what", metavar="POD | KIND/NAME")
    verb.add_argument("container_name", nargs="?", metavar="CONTAINER")
    _connection_options(verb)
    _namespace_option(verb)
    verb.add_argument("-c", "--container", default="", metavar="NAME", help="which container")
    verb.add_argument("-f", "--follow", action="store_true", help="go on as it prints")
    verb.add_argument("-p", "--previous", action="store_true", help="of the run before this one")
    verb.add_argument(
        "--tail", type=_number, default=-1, metavar="LINES", help="the last lines only"
    )
    verb.add_argument("--since", default="", metavar="DURATION", help="not older, as 5s, 2m, 3h")
    verb.add_argument("--since-time", default="", metavar="TIME", help="not older, as RFC 3339")
    verb.add_argument("--limit-bytes", type=_number, metavar="BYTES", help="no more than so much")
    verb.add_argument("--timestamps", action="store_true", help="when each line was printed")


def _tree(verbs: "argparse._SubParsersAction[Parser]") -> None:
    verb = _add(
        verbs, "tree", "Show an object and what belongs to it.", "KIND/NAME", "tree:tree",
        "deploy/web",
    )  # fmt: skip
    verb.add_argument("what", nargs="+", metavar="KIND/NAME")
    _connection_options(verb)
    _namespace_option(verb)


def _connection_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--kubeconfig", metavar="FILE", help="the kubeconfig to use")
    verb.add_argument(
        "--context",
        default="",
        metavar="NAME",
        help="its context to use (default: the current one)",
    )


def _namespace_option(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "-n", "--namespace", default="", metavar="NAME", help="namespace (default: the context's)"
    )


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
    if not 0 <= number < 65536:
        raise argparse.ArgumentTypeError(f"{text} is not a port (1 to 65535, 0 for any)")
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
    scheme, _, rest = text.partition("://")
    if scheme != "etcd" or not rest:
        raise argparse.ArgumentTypeError(f"{text!r} is no storage; known: etcd://HOST:PORT")
    return text


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text == "true"
