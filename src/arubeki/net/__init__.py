"""Requests, responses, streams, and the protocols that carry them, for both halves."""
