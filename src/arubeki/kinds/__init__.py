"""Typed resources: frozen structs with the wire's own names."""
