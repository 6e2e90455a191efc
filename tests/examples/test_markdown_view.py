"""The MarkdownView controller, tested as its author would: in virtual time, with the fixture."""

import ast
import io
import tokenize

import pytest

from arubeki.errors import NotFound
from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.runtime.manager import Manager
from arubeki.runtime.shape import reference_to
from tests.examples.conftest import EXAMPLE

FILES = {"SUMMARY.md": "# Hello\n"}


@pytest.fixture
def running(cluster, controller):
    """A cluster where the controller works."""
    cluster.run(controller.app)
    return cluster


def view(controller, name="hello", **spec):
    given = {"markdowns": FILES, **spec}
    return controller.MarkdownView(
        metadata=meta.ObjectMeta(name=name), spec=controller.Spec(**given)
    )


def conditions(cluster, controller, name="hello"):
    found = cluster.get(controller.MarkdownView, name)
    return {one.type: (one.status, one.reason) for one in found.status.conditions}


def test_its_children_come_and_belong_to_it(running, controller):
    running.apply(EXAMPLE / "app.yaml")
    running.settle()
    owner = running.get(controller.MarkdownView, "hello")
    files = running.get("configmap/markdowns-hello")
    viewer = running.get("deployment/viewer-hello")
    service = running.get("service/viewer-hello")
    assert files.data == owner.spec.markdowns
    assert set(files.data) == {"SUMMARY.md", "next.md"}
    assert viewer.spec.replicas == 1
    assert viewer.spec.template.spec.containers[0].image == "markdown-viewer:latest"
    for child in (files, viewer, service):
        (reference,) = child.metadata.ownerReferences
        assert (reference.uid, reference.controller) == (owner.uid, True)
    (pod,) = running.list("pods")
    (slice_,) = running.list("endpointslices", labels="kubernetes.io/service-name=viewer-hello")
    assert [one.addresses for one in slice_.endpoints] == [(pod.status.podIP,)]


def test_it_says_whether_viewers_are_available(cluster, controller):
    cluster.run(controller.app)
    cluster.stop_node("node-1")
    cluster.apply(view(controller))
    cluster.settle()
    assert conditions(cluster, controller)["Available"] == ("False", "Unavailable")
    cluster.start_node("node-1")
    cluster.wait(lambda: conditions(cluster, controller)["Available"] == ("True", "OK"))
    cluster.settle()
    assert conditions(cluster, controller)["Degraded"][0] == "False"
    found = cluster.get(controller.MarkdownView, "hello")
    assert {one.observedGeneration for one in found.status.conditions} == {
        found.metadata.generation
    }


def test_what_cannot_be_brought_about_is_said(running, controller):
    running.apply(view(controller, "a.b"))  # no name for a Service
    running.advance(1)
    found = running.get(controller.MarkdownView, "a.b")
    (degraded,) = [one for one in found.status.conditions if one.type == "Degraded"]
    assert degraded.status == "True"
    assert 'Service "viewer-a.b" is invalid' in degraded.message
    assert running.exists("configmap/markdowns-a.b")
    running.delete(controller.MarkdownView, "a.b")
    running.wait(lambda: not running.exists("configmap/markdowns-a.b"))


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"markdowns": {}}, "spec.markdowns in body should have at least 1 properties"),
        ({"markdowns": FILES, "replicas": -1}, "should be greater than or equal to 0"),
        ({"markdowns": FILES, "replicas": "many"}, r"spec\.replicas: expected numeric"),
    ],
)
def test_nonsense_never_gets_in(running, controller, spec, said):
    manifest = {
        "apiVersion": "view.example.com/v1",
        "kind": "MarkdownView",
        "metadata": {"name": "hello"},
        "spec": spec,
    }
    with pytest.raises(Exception, match=said):
        running.apply(manifest)
    assert running.list(controller.MarkdownView) == []


def test_a_change_of_the_view_changes_its_children(running, controller):
    running.apply(view(controller))
    running.settle()
    running.apply(view(controller, markdowns={"a.md": "# New\n"}, replicas=3, viewerImage="other"))
    running.settle()
    assert running.get("configmap/markdowns-hello").data == {"a.md": "# New\n"}
    viewer = running.get("deployment/viewer-hello")
    assert viewer.spec.template.spec.containers[0].image == "other"
    assert viewer.status.readyReplicas == 3
    running.apply(view(controller))
    running.settle()
    assert running.get("configmap/markdowns-hello").data == FILES
    assert running.get("deployment/viewer-hello").spec.replicas == 1


@pytest.mark.parametrize(
    "name", ["configmap/markdowns-hello", "deployment/viewer-hello", "service/viewer-hello"]
)
def test_what_is_deleted_comes_back(running, controller, name):
    running.apply(view(controller))
    running.settle()
    old = running.get(name)
    running.delete(name)
    running.settle()
    assert running.get(name).uid != old.uid
    running.wait(lambda: conditions(running, controller)["Available"] == ("True", "OK"))


def test_what_somebody_else_changed_is_put_right(running, controller):
    running.apply(view(controller))
    running.settle()
    running.patch("configmap/markdowns-hello", {"data": {"SUMMARY.md": "spoiled", "more": "kept"}})
    running.patch("deployment/viewer-hello", {"spec": {"replicas": 5}})
    running.settle()
    # What it did not say itself is not its business.
    assert running.get("configmap/markdowns-hello").data == {**FILES, "more": "kept"}
    assert running.get("deployment/viewer-hello").spec.replicas == 1


def test_children_of_yesterday_are_pruned(running, controller):
    running.apply(view(controller))
    running.settle()
    owner = reference_to(running.get(controller.MarkdownView, "hello"))
    for name in ("left-over", "not-mine"):
        metadata = meta.ObjectMeta(
            name=name, namespace="default", ownerReferences=(owner,) if name == "left-over" else ()
        )
        made = core.ConfigMap(metadata=metadata)
        running.call(lambda client, made=made: client.apply(made, manager="markdown-view"))
    running.settle()
    assert not running.exists("configmap/left-over")
    assert running.exists("configmap/not-mine")


def test_when_it_goes_everything_goes(running, controller):
    running.apply([view(controller), view(controller, "other")])
    running.settle()
    running.delete(controller.MarkdownView, "hello")
    kinds = (core.ConfigMap, apps.Deployment, apps.ReplicaSet, core.Service, core.Pod)

    def left():
        return {one.name for kind in kinds for one in running.list(kind) if "hello" in one.name}

    running.wait(lambda: not left())
    running.settle()
    assert running.exists("deployment/viewer-other")
    assert conditions(running, controller, "other")["Available"] == ("True", "OK")


def test_views_of_one_name_in_two_namespaces_do_not_meet(running, controller):
    running.apply(core.Namespace(metadata=meta.ObjectMeta(name="more")))
    running.apply(view(controller))
    running.apply(view(controller, markdowns={"b.md": "b"}), namespace="more")
    running.settle()
    assert running.get("configmap/markdowns-hello").data == FILES
    assert running.get("configmap/markdowns-hello", namespace="more").data == {"b.md": "b"}
    running.delete("namespace/more")
    running.wait(lambda: not running.exists("namespace/more"))
    assert running.exists("deployment/viewer-hello")


def test_a_controller_that_starts_again_has_nothing_to_do(running, controller):
    running.apply([view(controller), view(controller, "other", replicas=2)])
    running.settle()
    records = []

    async def start_again(client):
        manager = Manager(client, [controller.app])
        manager.trace.subscribe(records.append)
        async with manager:
            await manager.settle()

    running.call(start_again)
    assert sorted(record.key for record in records) == ["default/hello", "default/other"]
    assert [one for record in records for one in record.writes] == []


def test_a_view_that_is_gone_is_forgotten(running, controller):
    running.apply(view(controller))
    running.settle()
    running.delete(controller.MarkdownView, "hello")
    running.wait(lambda: not running.exists("deployment/viewer-hello"))
    with pytest.raises(NotFound):
        running.get(controller.MarkdownView, "hello")
    running.apply(view(controller, markdowns={"new.md": "new"}))
    running.settle()
    assert running.get("configmap/markdowns-hello").data == {"new.md": "new"}
    assert conditions(running, controller)["Available"] == ("True", "OK")


def test_the_controller_fits_on_a_page():
    source = (EXAMPLE / "controller.py").read_text(encoding="utf-8")
    docstrings = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = node.body[0]
            if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                docstrings |= set(range(text.lineno, (text.end_lineno or 0) + 1))
    code = set()
    nothing = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in (*nothing, tokenize.ENDMARKER):
            code |= set(range(token.start[0], token.end[0] + 1))
    assert len(code - docstrings) <= 90
