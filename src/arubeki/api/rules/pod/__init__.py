"""Rules of a Pod, part by part.

spec         the whole: what Pods and templates share, what holds of Pods alone
containers   one container of each sort
resources    limits and requests, of containers and of Pods
probes       probes and hooks
environment  variables and what they refer to
mounts       where volumes are mounted
volumes      volumes and their sources; disks: those that PersistentVolumes have too
projected    what a projected volume joins
security     security contexts and the annotations that were there before them
affinity     where a Pod may and should run
change       what may become of a Pod
status       what is told of a Pod
"""
