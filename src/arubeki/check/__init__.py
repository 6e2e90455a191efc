"""Claims about a controller, tried against every world that can be made."""
