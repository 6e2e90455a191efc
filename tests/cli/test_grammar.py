"""Words in any order, usage errors in one line, help that does not depend on Python's version."""

import pytest

from arubeki import cli
from arubeki.cli import durations, failures
from arubeki.cli.failures import Misuse
from arubeki.cli.parser import build
from arubeki.cli.targets import split
from arubeki.errors import (
    AlreadyExists,
    ConfigError,
    Conflict,
    ConnectFailed,
    StorageBusy,
    Unauthorized,
)


def parsed(text):
    return build().parse_args(text.split())


@pytest.mark.parametrize(
    "text",
    [
        "get pods web -n shop -o yaml",
        "get pods -n shop web -o yaml",
        "get -n shop pods -o=yaml web",
        "get --namespace=shop pods --output yaml web",
        "get -nshop pods -oyaml web",
        "get -n=shop pods web --output=yaml",
        "-n shop get pods web -oyaml",
        "--namespace shop get pods web -oyaml",
        "--namespace=shop get -oyaml -- pods web",
    ],
)
def test_options_may_stand_anywhere(text):
    found = parsed(text)
    assert (found.what, found.namespace, found.output) == (["pods", "web"], "shop", "yaml")


def test_flags_may_be_joined_and_may_say_true_or_false():
    found = parsed("get -Aw pods --show-labels=true --no-headers=false")
    assert found.all_namespaces and found.watch and found.show_labels
    assert not found.no_headers
    assert parsed("logs -fp web").follow
    assert parsed("logs -fc side web").container == "side"
    assert parsed("logs -fcside web").container == "side"


@pytest.mark.parametrize(
    ("text", "wait", "cascade"),
    [
        ("delete pod web", True, "background"),
        ("delete --wait pod web", True, "background"),
        ("delete --wait=false pod web --cascade", False, "background"),
        ("delete pod web --cascade=orphan", True, "orphan"),
    ],
)
def test_a_value_that_may_be_left_out_is_not_taken_from_the_next_word(text, wait, cascade):
    found = parsed(text)
    assert (found.what, found.wait, found.cascade) == (["pod", "web"], wait, cascade)


def test_values_may_look_like_options():
    assert parsed("logs web --tail -1").tail == -1
    assert parsed("logs web --tail=-1").tail == -1
    assert parsed("apply -f -").filename == ["-"]
    assert parsed("apply -f a -f b").filename == ["a", "b"]
    assert parsed("get pods -l -x").selector == "-x"
    assert parsed("get -- -odd").what == ["-odd"]
    assert parsed("get pods -n ''").namespace == "''"
    assert build().parse_args(["get", "pods", "-n", ""]).namespace == ""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("frob", "invalid choice: 'frob'"),
        ("get pods --bogus", "unknown flag: --bogus"),
        ("get pods --bogus=1", "unknown flag: --bogus"),
        ("get pods -z", "unknown flag: -z"),
        ("get pods --names x", "unknown flag: --names"),
        ("get pods -o xml", "invalid choice: 'xml'"),
        ("get pods -n", "flag needs an argument: -n"),
        ("get pods --watch=maybe", "'maybe' is neither true nor false"),
        ("delete pod web --wait=maybe", "'maybe' is neither true nor false"),
        ("delete pod web --grace-period=x", "'x' is not a number"),
        ("logs", "the following arguments are required"),
        ("logs a b c", "too many arguments: c"),
        ("apply", "the following arguments are required: -f"),
        ("up --nodes 101", "101 is not a number of nodes (0 to 100)"),
        ("up --nodes -1", "-1 is not a number of nodes"),
        ("up --port 65536", "65536 is not a port"),
        ("up --port http", "'http' is not a number"),
        ("up --runtime docker", "invalid choice: 'docker'"),
        ("up --memory --data x", "not allowed with argument"),
        ("up --data x --storage etcd://h:1", "not allowed with argument"),
        ("up --storage redis://h:1", "is no storage"),
        ("up extra", "too many arguments: extra"),
        ("-n", "-n"),
    ],
)
def test_a_slip_on_the_command_line_is_one_line_and_status_2(text, told, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(text.split())
    assert caught.value.code == 2
    output, errors = capsys.readouterr()
    assert output == ""
    (line,) = errors.splitlines()
    assert line.startswith("error: ") and told in line
    assert "--help'" in line


def test_no_verb_at_all_shows_the_help_and_is_a_slip(capsys):
    assert cli.main([]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors == build().format_help()


def test_help_is_shown_on_request(capsys):
    for words in (["--help"], ["-h"], ["get", "--help"], ["get", "pods", "-h"]):
        with pytest.raises(SystemExit) as caught:
            cli.main(words)
        assert caught.value.code == 0
        assert "usage: arubeki" in capsys.readouterr().out


def test_every_option_and_verb_is_explained():
    parser = build()
    for one in (parser, *parser.verbs().values()):
        assert one.description
        shown = one.format_help()
        assert all(len(line) <= 100 for line in shown.splitlines())
        for action in one._actions:
            if action.option_strings:
                assert action.help, f"{one.prog} {action.option_strings}"
                assert ", ".join(action.option_strings) in shown
                assert any(name.startswith("--") for name in action.option_strings)
    assert list(parser.verbs()) == ["up", "run", "apply", "get", "delete", "logs", "tree"]


def test_the_version_is_told(capsys):
    from arubeki import __version__

    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"arubeki {__version__}\n"


@pytest.mark.parametrize(
    ("words", "pairs"),
    [
        (["pods"], [("pods", "")]),
        (["pods", "a", "b"], [("pods", "a"), ("pods", "b")]),
        (["pod/a", "svc/b"], [("pod", "a"), ("svc", "b")]),
        (["pods,svc"], [("pods", ""), ("svc", "")]),
        (["deploy,svc", "web"], [("deploy", "web"), ("svc", "web")]),
    ],
)
def test_kinds_and_names_are_read_as_kubectl_reads_them(words, pairs):
    assert split(words) == pairs


@pytest.mark.parametrize("words", [[], ["pod/a", "b"], ["pod/"], ["/a"], ["pod/a/b"], [","], ["a", ""]])  # fmt: skip
def test_what_is_neither_kind_nor_name_is_misuse(words):
    with pytest.raises(Misuse):
        split(words)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("0s", 0), ("5s", 5), ("1m30s", 90), ("1.5h", 5400), ("250ms", 0.25), (".5s", 0.5)],
)
def test_durations_are_read_as_go_reads_them(text, seconds):
    assert durations.seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "5 s", "-5s", "1d", "5sx"])
def test_what_is_no_duration_is_misuse(text):
    with pytest.raises(Misuse, match="is no duration"):
        durations.seconds(text)


FIELD = {"causes": [{"reason": "FieldManagerConflict", "message": "", "field": ".a"}]}


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (ConfigError("a"), ["error: a"]),
        (ConfigError("a\nhelp: b"), ["error: a", "help: b"]),
        (ConfigError("a\nb\n\nnote: c"), ["error: a", "help: b", "note: c"]),
        (StorageBusy("a\nStop it."), ["error: a", "help: Stop it."]),
        (AlreadyExists('pods "a" already exists'), ['error: pods "a" already exists']),
        (ConfigError(""), ["error: ConfigError"]),
    ],
)
def test_an_error_is_a_line_and_its_help_others(error, lines):
    assert failures.told(error).splitlines() == lines


@pytest.mark.parametrize(
    "error", [ConnectFailed("no"), Unauthorized("Unauthorized"), Conflict("c", details=FIELD)]
)
def test_what_can_be_done_about_it_is_said(error):
    lines = failures.told(error).splitlines()
    assert len(lines) == 2 and lines[1].startswith("help: ")


def test_only_a_slip_is_status_2():
    assert failures.status(Misuse("x")) == 2
    assert failures.status(ConfigError("x")) == 1
    assert failures.status(Unauthorized("x")) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("get", "say what: KIND, KIND NAME or KIND/NAME"),
        ("get pods web -l a=b", "a name cannot be said when a selector is"),
        ("get pods/web other", "KIND/NAME and KIND NAME cannot be mixed"),
        ("delete", "say what: KIND, KIND NAME or KIND/NAME"),
        ("delete pods", "say which: a name, a selector with -l, or --all"),
        ("delete pods --all web", "a name cannot be said together with --all"),
        ("delete pods web --timeout soon", "'soon' is no duration; examples: 5s, 2m, 1h30m"),
        ("logs web --since 5x", "'5x' is no duration; examples: 5s, 2m, 1h30m"),
        ("logs pods/", "pods/ is not KIND/NAME"),
        ("tree web", "say which one: KIND/NAME"),
    ],
)
def test_what_is_said_wrongly_is_told_before_a_cluster_is_looked_for(text, told, capsys, tmp_path):
    assert cli.main([*text.split(), "--kubeconfig", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err == f"error: {told}\n"
