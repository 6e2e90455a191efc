"""What an object is: pure functions, no I/O, no clock."""
