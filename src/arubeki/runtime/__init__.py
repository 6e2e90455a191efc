"""The framework: write a level-triggered controller, from a typed object to what it says.

Read `app` first (what one declares), then `context` and `reconcile` (what one run does), `controller`
(keys and workers), `workqueue`, `informer` and `cache` (where reads come from), `intents` (why a run
that changes nothing sends nothing), `manager` (all of it at work).

On the ring: [watch > informer > workqueue > reconcile > client].
"""
