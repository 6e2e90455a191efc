"""Kubernetes' programming model, in Python: write controllers, run them, check them."""
