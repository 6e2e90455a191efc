"""The command line: verbs, each importing what it needs when it is called."""
