"""Kubernetes' own controllers, one lesson per file; read replicaset.py first."""
