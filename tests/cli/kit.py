"""What the tests of the verbs share: manifests, and a shell beside kubectl."""

import os
import re
import shutil
import subprocess

from arubeki import cli
from arubeki.kinds import core_v1 as core

CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: %s, labels: {app: %s}}
data: {k: v}
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: c, image: none, command: [sh, -c, "echo hello; echo from web; exec sleep 1000"]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 8080}]}
"""
CUSTOM = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: foos.%(group)s}
spec:
  group: %(group)s
  scope: Namespaced
  names: {kind: Foo, plural: foos, singular: foo, shortNames: [fo], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
---
apiVersion: %(group)s/v1
kind: Foo
metadata: {name: f}
spec: {a: 1}
"""
TWO_CONTAINERS = """\
apiVersion: v1
kind: Pod
metadata: {name: two}
spec:
  initContainers: [{name: i, image: none, command: [echo, from init]}]
  containers:
  - {name: a, image: none, command: [sh, -c, "echo from a; exec sleep 1000"]}
  - {name: b, image: none, command: [sh, -c, "echo from b; exec sleep 1000"]}
"""


class Shell:
    """Runs our verbs, and kubectl's, in a namespace of the test's own."""

    def __init__(self, cluster, namespace, capsys, home):
        self.cluster = cluster
        self.namespace = namespace
        self.home = home
        self._capsys = capsys
        self._kubectl = shutil.which("kubectl")

    def run(self, *words):
        """Return (status, output, errors)."""
        self._capsys.readouterr()
        options = [f"--kubeconfig={self.cluster.kubeconfig}", f"--namespace={self.namespace}"]
        try:
            status = cli.main([words[0], *options, *map(str, words[1:])])
        except SystemExit as ended:
            status = ended.code
        return status, *self._capsys.readouterr()

    def __call__(self, *words):
        """Run, see that it succeeds without a word of complaint, and return the output."""
        status, output, errors = self.run(*words)
        assert (status, errors) == (0, ""), (words, status, output, errors)
        return output

    def fails(self, *words, status=1):
        """Run, see that it fails in good form, and return what is said."""
        found, output, errors = self.run(*words)
        assert found == status, (words, output, errors)
        lines = errors.splitlines()
        assert lines[0].startswith("error: "), errors
        assert all(line.startswith(("error: ", "help: ", "note: ")) for line in lines), errors
        return errors

    def kubectl(self, *words):
        options = [f"--kubeconfig={self.cluster.kubeconfig}", f"--namespace={self.namespace}"]
        done = subprocess.run(
            [self._kubectl, *options, *words],
            env={"HOME": str(self.home), "PATH": os.environ["PATH"]},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    def same(self, *words):
        """See that kubectl, if there is one, prints the same; return what ours printed."""
        status, output, errors = self.run(*words)
        if self._kubectl is not None:
            theirs = self.kubectl(*words)
            assert ageless(output) == ageless(theirs[1]), words
            assert status == theirs[0], words
            assert bool(errors) == bool(theirs[2]), (words, errors, theirs[2])
        return output

    def manifest(self, text):
        path = self.home / f"{len(list(self.home.iterdir()))}.yaml"
        path.write_text(text)
        return path

    def apply(self, text):
        return self("apply", "-f", self.manifest(text))


def ageless(text):
    """Leave out what a second changes: ages, and the spaces that they take."""
    return re.sub(r" +", " ", re.sub(r"\b(\d+[smhd])+\b", "AGE", text))


def running(shell, count):
    def holds():
        pods = shell.cluster.list(core.Pod, shell.namespace)
        ready = [
            one for one in pods for c in one.status.conditions or ()
            if c.type == "Ready" and c.status == "True"
        ]  # fmt: skip
        return len(ready) == count

    shell.cluster.wait(holds)
