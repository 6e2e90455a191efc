"""Custom resources: kinds that come and go while the server runs."""
