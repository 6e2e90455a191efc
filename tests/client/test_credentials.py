"""Tokens that change, plugins that are asked, headers that show who one is."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from arubeki import clock
from arubeki.client.config import Config, ExecPlugin, Impersonation
from arubeki.client.credentials import Credentials, impersonation_headers, run_plugin
from arubeki.errors import ConfigError
from arubeki.net.tls import Pair


def config(**fields: Any) -> Config:
    return Config("https://here", **fields)


def plugin(tmp_path: Path, text: str, **fields: Any) -> ExecPlugin:
    """Return a plugin that runs a piece of Python."""
    script = tmp_path / "plugin.py"
    script.write_text(text)
    return ExecPlugin(sys.executable, (str(script), "argument"), {"N": "V"}, **fields)


def given(**status: str) -> str:
    answer = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": status,
    }
    return f"print({json.dumps(answer)!r})"


def test_a_token_goes_before_a_password() -> None:
    async def main() -> None:
        for fields, header in (
            ({"token": "t", "username": "u", "password": "p"}, "Bearer t"),
            ({"username": "u", "password": "p"}, "Basic dTpw"),
        ):
            credentials = Credentials(config(**fields))
            headers = credentials.headers(await credentials.current())
            assert headers == {"authorization": header}
        assert Credentials(config()).headers(await Credentials(config()).current()) == {}

    clock.run_virtual(main())


def test_a_token_file_is_read_again_after_a_minute_or_a_refusal(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "token"
        path.write_text("one\n")
        credentials = Credentials(config(token_file=str(path)))
        assert credentials.may_change
        first = await credentials.current()
        path.write_text("two\n")
        assert (await credentials.current()).token == first.token == "one"
        await asyncio.sleep(61)
        second = await credentials.current()
        assert second.token == "two"
        path.write_text("three\n")
        credentials.spoil(first)  # long replaced: what is in use is not touched
        assert (await credentials.current()).token == "two"
        credentials.spoil(second)
        assert (await credentials.current()).token == "three"

    clock.run_virtual(main())


def test_a_token_file_that_is_gone_is_an_error_unless_there_is_a_token(tmp_path: Path) -> None:
    async def main() -> None:
        absent = str(tmp_path / "absent")
        with pytest.raises(ConfigError, match="token file"):
            await Credentials(config(token_file=absent)).current()
        assert (await Credentials(config(token_file=absent, token="t")).current()).token == "t"

    clock.run_virtual(main())


def test_who_to_be_seen_as_stands_in_headers() -> None:
    who = Impersonation("bob", "1", ("a", "b"), {"Scopes/X": ["v", "w"]})
    assert impersonation_headers(who) == {
        "impersonate-user": "bob",
        "impersonate-uid": "1",
        "impersonate-group": "a\nb",
        "impersonate-extra-scopes%2Fx": "v\nw",
    }
    assert impersonation_headers(Impersonation()) == {}


def test_a_plugin_learns_what_it_needs_and_gives_a_token(tmp_path: Path) -> None:
    note = tmp_path / "note"
    text = (
        "import os, sys\n"
        f"open({str(note)!r}, 'w').write(os.environ['KUBERNETES_EXEC_INFO'])\n"
        "assert sys.argv[1] == 'argument' and os.environ['N'] == 'V'\n"
        + given(token="t", expirationTimestamp="2100-01-01T00:00:00Z")
    )

    async def main() -> None:
        asked = plugin(tmp_path, text, wants_cluster=True)
        credential = await run_plugin(asked, config(authority=b"ca", tls_server_name="n"))
        assert credential.token == "t"
        assert credential.until == clock.parse_timestamp("2100-01-01T00:00:00Z") - 10
        assert json.loads(note.read_text()) == {
            "apiVersion": "client.authentication.k8s.io/v1",
            "kind": "ExecCredential",
            "spec": {
                "interactive": False,
                "cluster": {
                    "server": "https://here",
                    "certificate-authority-data": "Y2E=",
                    "tls-server-name": "n",
                },
            },
        }

    asyncio.run(main())


def test_a_plugin_is_run_once_as_long_as_its_answer_is_good(tmp_path: Path) -> None:
    note = tmp_path / "note"
    text = f"open({str(note)!r}, 'a').write('x')\n" + given(
        clientCertificateData="certificate", clientKeyData="key"
    )

    async def main() -> None:
        credentials = Credentials(config(plugin=plugin(tmp_path, text)))
        found = await asyncio.gather(*[credentials.current() for _ in range(3)])
        assert found[0].pair == Pair(b"certificate", b"key")
        assert note.read_text() == "x"
        credentials.spoil(found[0])
        await credentials.current()
        assert note.read_text() == "xx"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("raise SystemExit(3)", "code 3"),
        ("print('nonsense')", "no JSON"),
        ("print('[]')", "no ExecCredential"),
        ("print('{}')", "no ExecCredential"),
        (given(), "neither token nor certificate"),
        (given(token="t").replace("k8s.io/v1", "k8s.io/v0"), "asked for was"),
    ],
)
def test_a_plugin_that_fails_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        asyncio.run(run_plugin(plugin(tmp_path, text), config()))


def test_a_plugin_that_is_absent_says_how_to_install_it() -> None:
    absent = ExecPlugin("no-such-plugin-anywhere", install_hint="install it so")
    with pytest.raises(ConfigError, match="install it so"):
        asyncio.run(run_plugin(absent, config()))
