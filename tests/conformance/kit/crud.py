"""One test for whatever kind: all verbs and all forms of patches, each told to a watch.

Source: kubernetes test/e2e/framework/conformance/conformance.go.
"""

import contextlib
import copy

from tests.conformance.kit.client import root_of
from tests.conformance.kit.lifecycle import contains, is_newer
from tests.conformance.kit.patience import eventually

FORMS = ("strategic", "apply", "merge", "json")
LABEL = "conformance.example.com"


class Crud:
    """What a kind needs for the test.

    `template` is the object as created, `part` what is merged into it by update and by three of the
    patches, `operations` the same as a JSON patch; `status_part` and `status_operations` are those
    of its status, if it has one.
    """

    def __init__(self, objects, template, part, operations, status_part=None, status_operations=()):
        self.objects = objects
        self.part = part
        self.operations = operations
        self.status_part = status_part
        self.status_operations = status_operations
        self.template = copy.deepcopy(template)
        self.template["metadata"].setdefault("labels", {})[LABEL] = objects.plural
        self.name = template["metadata"]["name"]
        self.select = {"labelSelector": f"{LABEL}={objects.plural}"}

    def run(self):
        """Do it all."""
        with contextlib.ExitStack() as stack:
            listed = self.objects.list(**self.select)
            assert listed["items"] == []
            since = listed["metadata"]["resourceVersion"]
            places = {self.objects, self.objects.everywhere()}
            self.watches = [
                stack.enter_context(one.watch(resourceVersion=since, **self.select))
                for one in places
            ]
            self.find()
            self.write()
            for form in FORMS:
                self.patch_spec(form)
            for form in FORMS if self.status_part else ():
                self.patch_status(form)
            self.list_and_end()

    def find(self):
        resources = self.objects.api.get(root_of(self.objects.api_version))["resources"]
        assert self.objects.plural in [one["name"] for one in resources]

    def write(self):
        made = self.create(fieldValidation="Strict")
        assert contains(self.objects.get(self.name), self.template)
        updated = self.objects.change(self.name, self.alter)
        self.seen("MODIFIED", updated)
        assert contains(updated, merged(self.template, self.part)) and is_newer(updated, made)
        if self.status_part:
            changed = self.objects.change(self.name, self.alter_status, "status")
            self.seen("MODIFIED", changed)
            wanted = merged(merged(self.template, self.part), self.status_part)
            assert contains(changed, wanted)
            assert contains(self.objects.get(self.name, "status"), wanted)

    def patch_spec(self, form):
        self.delete()
        self.create()
        self.patch(form, self.part, self.operations, merged(self.template, self.part))

    def patch_status(self, form):
        self.delete()
        self.create()
        self.seen("MODIFIED", self.objects.change(self.name, self.alter))
        wanted = merged(merged(self.template, self.part), self.status_part)
        self.patch(form, self.status_part, self.status_operations, wanted, "status")

    def patch(self, form, part, operations, wanted, sub=""):
        body, options = operations, {}
        if form != "json":
            now = self.objects.get(self.name)["metadata"]
            own = {key: now[key] for key in ("name", "namespace", "uid") if key in now}
            body = self.objects.typed(merged(part, {"metadata": own}))
        if form == "apply":
            options = {"fieldManager": "test-apply", "force": True}
        patched = self.objects.patch(
            self.name, body, sub, form=form, fieldValidation="Strict", **options
        )
        self.seen("MODIFIED", patched)
        assert contains(patched, wanted), f"{form}: {patched}"

    def list_and_end(self):
        found = self.objects.get(self.name)
        for objects in (self.objects, self.objects.everywhere()):
            (item,) = objects.items(**self.select)
            assert without_kind(item) == without_kind(found)
        self.objects.delete_collection(**self.select)
        self.objects.wait_gone(self.name)
        self.seen("DELETED")
        eventually(lambda: not self.objects.items(**self.select))

    def create(self, **query):
        made = self.objects.create(self.template, **query)
        assert contains(made, self.template)
        self.seen("ADDED", made)
        return made

    def delete(self):
        self.objects.delete(self.name)
        self.objects.wait_gone(self.name)
        self.seen("DELETED")

    def alter(self, obj):
        obj.update(merged(obj, self.part))

    def alter_status(self, obj):
        obj.update(merged(obj, self.status_part))

    def seen(self, kind, obj=None):
        """See an object's new state as the next that each watch tells, and no other object's."""
        for watch in self.watches:
            found = watch.expect(kind, self.name)
            # Somebody in the cluster may have been quicker with a change of their own.
            while obj and found != obj:
                assert is_newer(obj, found), f"{found} instead of {obj}"
                found = watch.expect("MODIFIED", self.name)


def without_kind(obj):
    """Return an object as lists show it."""
    return {key: value for key, value in obj.items() if key not in ("apiVersion", "kind")}


def merged(obj, part):
    """Return an object with a part's fields; lists are replaced."""
    if not (isinstance(obj, dict) and isinstance(part, dict)):
        return copy.deepcopy(part)
    return {
        **copy.deepcopy(obj),
        **{key: merged(obj.get(key), value) for key, value in part.items()},
    }
