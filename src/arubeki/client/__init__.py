"""The API seen from outside: configuration, transports, verbs."""
