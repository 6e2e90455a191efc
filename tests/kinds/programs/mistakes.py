"""What a type checker must find: each line marked E, and no other."""

from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from arubeki.kinds.base import Model, Resource
from arubeki.kinds.crd import crd


class Spec(Model):
    replicas: int = 1


@crd("view.example.com/v1")
class View(Resource[Spec, None]): ...


@crd("view.example.com/v1")
class Loose(Model): ...  # E: no Resource


view = View(spec=Spec())
view.spec.replicas = 2  # E: frozen
view.metadata = view.metadata  # E: frozen
Spec(1)  # E: keyword only
Spec(replica=1)  # E: no such field
Spec(replicas="1")  # E: wrong type
core.Container(image="a")  # E: name is required
apps.DeploymentSpec(replicas=1)  # E: selector and template are required
core.Pod().status.phase.upper()  # E: may be UNSET
core.Pod().spec.containers.append(core.Container(name="a"))  # E: a tuple
View(spec=core.PodSpec(containers=()))  # E: another spec
Number: int = view.spec  # E: no int
