"""The framework: informers, workqueues, reconcilers, managers."""
