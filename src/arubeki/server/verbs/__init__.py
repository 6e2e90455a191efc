"""The verbs: one function each, from a resolved `Call` to an answer."""
