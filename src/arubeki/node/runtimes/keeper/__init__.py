"""The process between the server and its containers, which outlives the server just long enough.

One keeper serves a runtime. It is small, has one thread and knows how to fork: for each container
it forks a supervisor, which gets three descriptors from the server: a control socket and the write
ends of the container's stdout and stderr.

    server --- keeper --- supervisor --- [init, in a sandbox] --- the container's main process

Death travels down this line whatever kills: a supervisor whose control socket ends (only the server
holds the other end), or whose keeper dies, kills the container and all it started. In a sandbox
that is the first process of a process namespace; without one the supervisor is a subreaper, to
which every orphan of the container comes, however often it forked and whatever session it made.
The keeper, in turn, is the subreaper that inherits from a supervisor that was killed.

Control, JSON lines from the server: first the job, then `{"signal": 15}`; 9 means everything.
To the server: `{"pid": ..., "init": ...}` when the program runs or `{"error": ...}`, at the end
`{"status": ...}`, as waitpid gives it.

Below the runtimes, in an interpreter of its own without site-packages: standard library only. It
reads no clock; whoever wants time limits sends signals.
"""
