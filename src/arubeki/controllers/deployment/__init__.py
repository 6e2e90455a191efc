"""Deployment: roll from one ReplicaSet to the next.

A Deployment makes a ReplicaSet per Pod template, named by the template's hash, and moves Pods from
the old ones to the new one by changing numbers: the ReplicaSets do the rest. `reconcile` runs from
head to tail: find or make the new ReplicaSet, scale, roll, clean up, write down what is. What keeps
a rollout going is that ReplicaSets' statuses change and wake it again.

    plan       which ReplicaSet is new, which are old, what a step of the rollout may do (pure)
    revisions  making the new ReplicaSet, revision numbers and the other annotations
    status     counts and conditions (pure)
    reconcile  the order of it all

On the ring: [informer > workqueue > **reconcile** > client].
Source: kubernetes pkg/controller/deployment.
"""

from arubeki.controllers.deployment.reconcile import controller

__all__ = ["controller"]
