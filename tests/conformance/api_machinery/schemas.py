"""The schemas of the tests of what is published."""


def text(description, **more):
    return {"type": "string", "description": description, **more}


def obj(description="", **properties):
    found = {"type": "object", "description": description, "properties": properties}
    return {key: value for key, value in found.items() if value}


def array(description, items):
    return {"type": "array", "description": description, "items": items}


BAR = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": text("Name of Bar."),
        "age": text("Age of Bar."),
        "feeling": text("Whether Bar is feeling great.", enum=["Great", "Down"]),
        "bazs": array("List of Bazs.", {"type": "string"}),
    },
}
BAR_STATUS = {
    "type": "object",
    "properties": {
        "name": text("Name of Bar."),
        "available": {"type": "boolean", "description": "Whether the Bar is installed."},
        "quxType": text("Indicates to external qux type.", pattern="in-tree|out-of-tree"),
    },
}
FOO = obj(
    "Foo CRD for Testing",
    spec=obj("Specification of Foo", bars=array("List of Bars and their specs.", BAR)),
    status=obj("Status of Foo", bars=array("List of Bars and their statuses.", BAR_STATUS)),
)


def waldo(description):
    return obj(
        description,
        spec=obj("Specification of Waldo", dummy=obj("Dummy property.")),
        status=obj(
            "Status of Waldo", bars=array("List of Bars and their statuses.", {"type": "object"})
        ),
    )


PRESERVE = {"x-kubernetes-preserve-unknown-fields": True}
WALDO = waldo("Waldo CRD for Testing")
PRESERVE_ROOT = {**waldo("preserve-unknown-properties at root for Testing"), **PRESERVE}
PRESERVE_NESTED = waldo("preserve-unknown-properties in nested field for Testing")
PRESERVE_NESTED["properties"]["spec"] |= PRESERVE
