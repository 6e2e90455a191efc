"""Typed resources: frozen structs with the wire's own names.

    from arubeki.kinds import apps_v1 as apps, core_v1 as core, meta_v1 as meta

    core.ConfigMap(metadata=meta.ObjectMeta(name="files"), data={"a.md": "# A"})

There is one module per stable group version, generated. `base` holds what all kinds share and the
way between bytes and objects, `crd` the way from a class to its CustomResourceDefinition, `model`
explains what "said" and "not said" mean.

    model <- meta_v1, codec <- base <- core_v1 <- apps_v1, ...

What types to expect: a quantity and a time are `str` as on the wire, int-or-string is `int | str`,
base64 (`Secret.data`) is `bytes`, a part without a type is plain JSON (`Any`). `managedFields` is not
declared: informers look at it in the bytes. Unknown fields are ignored, which is safe because typed
objects are applied and never PUT back.

Type checkers demand what the server requires of whole objects. An intent that shall leave such a
field to another manager takes it back: `spec.evolve(selector=UNSET)`.

On the ring: what informers keep, reconcilers read and `apply` sends.
"""
