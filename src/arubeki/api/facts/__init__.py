"""Generated facts about Kubernetes' built-in kinds, and their loader."""
