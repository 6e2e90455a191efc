"""argparse with kubectl's manners: options anywhere, errors in one line, help in one form.

kubectl's users write `get pods -n shop web`, `delete --wait pod web` and `--watch=true`; argparse
knows none of the three. So the words are brought into an order that it understands first: options
before the rest, each as `--name=value`. Help is laid out here too, since argparse's changes from one
Python to the next and the reference in docs/ must not.

Outside the ring.
"""

import argparse
import sys
import textwrap
from collections.abc import Sequence
from typing import Any, NoReturn

WIDTH = 96
_COLUMN = 28
_TRUE = ("true", "True", "TRUE", "t", "T", "1")
_FALSE = ("false", "False", "FALSE", "f", "F", "0")
SHARED = ("-n", "--namespace", "--kubeconfig", "--context")
"""Options that may stand before the verb, as kubectl's global ones may."""


class Parser(argparse.ArgumentParser):
    """A parser of one verb, or of them all."""

    def __init__(self, *, examples: Sequence[str] = (), **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)
        self.examples = examples
        self.rest = ""
        """What stands after the options, as the usage line shows it."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line and exit with status 2."""
        line = " ".join(message.split())
        print(f"error: {line}; see '{self.prog} --help'", file=sys.stderr)
        raise SystemExit(2)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse words in any order. Exits with status 2 for what is not known."""
        words = list(sys.argv[1:] if args is None else args)
        if self._subparsers is not None:
            return super().parse_known_args(_verb_first(words), namespace)
        found, unknown = super().parse_known_args(self._ordered(words), namespace)
        if unknown:
            self.error(f"too many arguments: {' '.join(unknown)}")
        return found, unknown

    def _ordered(self, words: list[str]) -> list[str]:
        """Return the words with options first, each in one word."""
        options: list[str] = []
        others: list[str] = []
        left = list(reversed(words))
        while left:
            word = left.pop()
            if word == "--":
                others += reversed(left)
                break
            if word.startswith("--"):
                name, equals, value = word.partition("=")
                options += self._option(name, value if equals else None, left)
            elif word.startswith("-") and len(word) > 1:
                options += self._cluster(word, left)
            else:
                others.append(word)
        dashed = any(word.startswith("-") and word != "-" for word in others)
        return [*options, *(["--"] if dashed else []), *others]

    def _cluster(self, word: str, left: list[str]) -> list[str]:
        """Return the options of `-Aw`, `-nshop`, `-n=shop` or `-n shop`."""
        found: list[str] = []
        for index, letter in enumerate(word[1:], start=2):
            action = self._option_string_actions.get(f"-{letter}")
            rest = word[index:]
            if rest and (action is None or action.nargs != 0 or rest.startswith("=")):
                return [*found, *self._option(f"-{letter}", rest.removeprefix("="), left)]
            found += self._option(f"-{letter}", None, left)
        return found

    def _option(self, name: str, value: str | None, left: list[str]) -> list[str]:
        """Return an option as argparse is to see it; takes its value from `left` if need be."""
        action = self._option_string_actions.get(name)
        if action is None:
            self.error(f"unknown flag: {name}")
        long = action.option_strings[-1]
        if action.nargs == 0:
            if value is None or value in _TRUE:
                return [long]
            if value not in _FALSE:
                self.error(f"{value!r} is neither true nor false, which {name} takes")
            return []
        if value is None and action.nargs == "?":
            value = str(action.const)
        if value is None:
            if not left:
                self.error(f"flag needs an argument: {name}")
            value = left.pop()
        return [f"{long}={value}"]

    def format_help(self) -> str:
        """Return the help, laid out."""
        parts = [self.description or ""]
        usage = f"usage: {self.prog}"
        verbs = self._verbs()
        usage += " VERB [options]" if verbs else f" [options] {self.rest}".rstrip()
        parts.append(usage)
        if verbs:
            parts.append("\n".join(_row(name, text) for name, text in verbs))
        options = [one for one in self._actions if one.option_strings]
        parts.append("\n".join(_row(_spelled(one), one.help or "") for one in options))
        if self.examples:
            parts.append("\n".join(["examples:", *(f"  {one}" for one in self.examples)]))
        return "\n\n".join(part for part in parts if part) + "\n"

    def verbs(self) -> dict[str, "Parser"]:
        """Return the parsers of the verbs, by name."""
        if self._subparsers is None:
            return {}
        return dict(self._subparsers._group_actions[0].choices or {})

    def _verbs(self) -> list[tuple[str, str]]:
        return [(name, parser.description or "") for name, parser in self.verbs().items()]


def _verb_first(words: list[str]) -> list[str]:
    """Return the words with shared options moved behind the verb."""
    moved: list[str] = []
    index = 0
    while index < len(words):
        word = words[index]
        if word in SHARED:
            moved += words[index : index + 2]
            index += 2
        elif word.startswith(tuple(f"{name}=" for name in SHARED)):
            moved.append(word)
            index += 1
        else:
            break
    return [*words[index : index + 1], *moved, *words[index + 1 :]]


def _spelled(action: argparse.Action) -> str:
    """Return an option as help shows it: `-n, --namespace NAME`."""
    names = ", ".join(action.option_strings)
    if action.option_strings[0].startswith("--"):
        names = f"    {names}"
    if action.nargs == 0:
        return names
    shown = action.metavar or "|".join(map(str, action.choices or ())) or action.dest.upper()
    return f"{names}[={shown}]" if action.nargs == "?" else f"{names} {shown}"


def _row(head: str, text: str) -> str:
    """Return one line of help, or as many as the text needs."""
    lines = textwrap.wrap(text, WIDTH - _COLUMN - 2) or [""]
    first = f"  {head:<{_COLUMN}}"
    if len(head) >= _COLUMN:
        return "\n".join([f"  {head}", *(" " * (_COLUMN + 2) + line for line in lines)]).rstrip()
    below = (" " * (_COLUMN + 2) + line for line in lines[1:])
    return "\n".join([(first + lines[0]).rstrip(), *below])
