"""The kubectl of this machine."""

import os
import re
import signal
import subprocess
import threading


class Kubectl:
    """Runs kubectl in a namespace. `program` is its path, `kubeconfig` whom it talks to."""

    def __init__(self, program, kubeconfig, namespace, home):
        self.program = program
        self.kubeconfig = kubeconfig
        self.namespace = namespace
        self.home = home

    def run(self, *words, stdin=""):
        """Run it, and return what became of it."""
        return subprocess.run(
            self._command(*words), input=stdin, env=self._environment(),
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def __call__(self, *words, stdin=""):
        """Run it, see that it succeeds, and return its output."""
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def fails(self, *words, stdin=""):
        """Run it, see that it fails, and return what it says."""
        done = self.run(*words, stdin=stdin)
        assert done.returncode != 0, f"kubectl {' '.join(words)}: {done.stdout}"
        return done.stdout + done.stderr

    def proxy(self, *words):
        """Start `kubectl proxy`; use it in a `with` block."""
        command = self._command("proxy", *words)
        return Proxy(
            subprocess.Popen(command, env=self._environment(), stdout=subprocess.PIPE, text=True)
        )

    def _command(self, *words):
        # Behind the verb: some versions take what comes before it for a plugin's name.
        place = (f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}")
        return [self.program, words[0], *place, *words[1:]]

    def _environment(self):
        # It keeps what it discovers on disk.
        return {"HOME": str(self.home), "PATH": os.environ["PATH"], "EDITOR": "false"}


class Proxy:
    """A proxy that runs."""

    def __init__(self, process):
        self.process = process

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=10)

    def said(self):
        """Return its first line, when it serves."""
        # A proxy that says nothing is ended, which ends the line too.
        timer = threading.Timer(20, self.process.kill)
        timer.start()
        try:
            return self.process.stdout.readline()
        finally:
            timer.cancel()

    def port(self):
        """Return the port that it chose."""
        found = re.search(r"Starting to serve on .*:([0-9]+)", said := self.said())
        assert found, said
        return int(found[1])
