"""HTTP in, revisions out: the API server, without a socket."""
