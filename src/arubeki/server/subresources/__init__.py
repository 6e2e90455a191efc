"""status, scale, log and the other parts of an object with a URL of their own."""
