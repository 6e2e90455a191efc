"""CronJobs: as objects, and the Jobs that they make.

They are due once a minute at the most, so the Jobs take minutes of real time to come.

Source: kubernetes test/e2e/apps/cronjob.go.
"""

import pytest

from tests.conformance.kit import conformance, discovered, eventually, named, not_yet, patience
from tests.conformance.kit.lifecycle import contains
from tests.conformance.kit.patience import NOT_YET_SECONDS, patience_seconds

GROUP = "batch/v1"
FAMILY = "[sig-apps] CronJob should "
NO_CONTROLLER = "there is no controller of CronJobs"
TWO_MINUTES = 140.0


def cron_job(name, schedule="*/1 * * * ?", policy="Allow", labels=None, **more):
    pod = {
        "restartPolicy": "OnFailure",
        "volumes": [{"name": "data", "emptyDir": {}}],
        "containers": [
            {
                "name": "c",
                "image": "busybox",
                "command": ["sleep", "300"],
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            }
        ],
    }
    job = {"parallelism": 1, "completions": 1, "backoffLimit": 1, "template": {"spec": pod}}
    return named(
        name,
        labels,
        spec={
            "schedule": schedule,
            "concurrencyPolicy": policy,
            "jobTemplate": {"spec": job},
            **more,
        },
    )


@pytest.fixture
def cron_jobs(api, namespace):
    return api.of(GROUP, "CronJob", namespace)


@pytest.fixture
def jobs(api, namespace):
    return api.of(GROUP, "Job", namespace)


@pytest.fixture(autouse=True)
def minutes(api):
    """Have the patience for two minutes, where there is any."""
    with patience(NOT_YET_SECONDS if patience_seconds() == NOT_YET_SECONDS else TWO_MINUTES):
        yield


def active(cron_jobs, name):
    return cron_jobs.get(name).get("status", {}).get("active", [])


def unfinished(jobs):
    """Return the uids of the Jobs that neither completed nor failed."""
    return {
        one["metadata"]["uid"]
        for one in jobs.items()
        if not any(
            each["type"] in ("Complete", "Failed") and each["status"] == "True"
            for each in one.get("status", {}).get("conditions", [])
        )
    }


@conformance(f"{FAMILY}schedule multiple jobs concurrently [Conformance]")
@not_yet(NO_CONTROLLER)
def test_jobs_run_beside_each_other(cron_jobs, jobs):
    cron_jobs.create(cron_job("concurrent"))
    eventually(lambda: len(active(cron_jobs, "concurrent")) >= 2)
    assert len(unfinished(jobs)) >= 2
    cron_jobs.delete("concurrent", propagationPolicy="Background")


@conformance(f"{FAMILY}not schedule jobs when suspended [Conformance] [Slow]")
@not_yet(NO_CONTROLLER)
def test_no_job_is_made_while_suspended(cron_jobs, jobs):
    cron_jobs.create(cron_job("suspended", suspend=True))
    # One that is not suspended shows that the time has come, for both.
    cron_jobs.create(cron_job("other"))
    eventually(lambda: active(cron_jobs, "other"))
    eventually(lambda: len(active(cron_jobs, "other")) >= 2)
    assert not active(cron_jobs, "suspended")
    owners = {each["name"] for one in jobs.items() for each in one["metadata"]["ownerReferences"]}
    assert owners == {"other"}
    for name in ("suspended", "other"):
        cron_jobs.delete(name, propagationPolicy="Background")


@conformance(f"{FAMILY}not schedule new jobs when ForbidConcurrent [Conformance] [Slow]")
@not_yet(NO_CONTROLLER)
def test_no_job_is_made_while_another_runs(cron_jobs, jobs):
    cron_jobs.create(cron_job("forbid", policy="Forbid"))
    cron_jobs.create(cron_job("other"))
    (first,) = eventually(lambda: active(cron_jobs, "forbid"))
    # The one that allows it has come round once more.
    eventually(lambda: len(active(cron_jobs, "other")) >= 2)
    assert active(cron_jobs, "forbid") == [first]
    assert first["uid"] in unfinished(jobs)
    for name in ("forbid", "other"):
        cron_jobs.delete(name, propagationPolicy="Background")


@conformance(f"{FAMILY}replace jobs when ReplaceConcurrent [Conformance]")
@not_yet(NO_CONTROLLER)
def test_a_job_is_replaced_by_the_next(cron_jobs, jobs):
    cron_jobs.create(cron_job("replace", policy="Replace"))
    (first,) = eventually(lambda: active(cron_jobs, "replace"))
    assert unfinished(jobs) == {first["uid"]}
    eventually(lambda: unfinished(jobs) and first["uid"] not in unfinished(jobs))
    assert len(unfinished(jobs)) == 1
    cron_jobs.delete("replace", propagationPolicy="Background")


@conformance(f"{FAMILY}support CronJob API operations [Conformance]")
def test_cron_jobs_have_all_verbs(api, namespace, cron_jobs):
    discovered(api, GROUP, "cronjobs", "cronjobs/status")
    labels, select = {"special": namespace}, {"labelSelector": f"special={namespace}"}
    limits = {"successfulJobsHistoryLimit": 1, "failedJobsHistoryLimit": 0}
    made = cron_jobs.create(cron_job("api", "* */1 * * ?", labels=labels, **limits))
    uid = made["metadata"]["uid"]
    assert cron_jobs.get("api")["metadata"]["uid"] == uid
    listed = cron_jobs.list(**select)
    assert len(listed["items"]) == len(cron_jobs.everywhere().items(**select)) == 1
    since = listed["metadata"]["resourceVersion"]
    watching = {"resourceVersion": since, **select}
    with cron_jobs.watch(**watching) as watch, cron_jobs.everywhere().watch(**watching) as wide:
        patched = cron_jobs.patch("api", {"metadata": {"annotations": {"patched": "true"}}})
        assert patched["metadata"]["annotations"]["patched"] == "true"
        updated = cron_jobs.change(
            "api", lambda obj: obj["metadata"]["annotations"].update(updated="true")
        )
        assert contains(updated["metadata"]["annotations"], {"patched": "true", "updated": "true"})
        for one in (watch, wide):
            one.until("MODIFIED", "api", lambda obj: "annotations" in obj["metadata"])
        check_status(cron_jobs, uid)
        cron_jobs.create(cron_job("for-removal", "* */1 * * ?", labels=labels, **limits))
        cron_jobs.delete("for-removal")
        assert cron_jobs.is_gone("for-removal")
        watch.until("DELETED", "for-removal")
        cron_jobs.delete_collection(**select)
        watch.until("DELETED", "api")
    assert cron_jobs.items(**select) == []


def check_status(cron_jobs, uid):
    # In the past of every schedule, so that no controller has another opinion.
    first, second = "2020-01-01T00:00:00Z", "2020-01-01T00:00:01Z"
    patch = {
        "metadata": {"annotations": {"patchedstatus": "true"}},
        "status": {"lastScheduleTime": first},
    }
    patched = cron_jobs.patch("api", patch, "status")
    assert contains(patched, patch)
    updated = cron_jobs.change(
        "api", lambda obj: obj["status"].update(lastScheduleTime=second), "status"
    )
    assert updated["status"]["lastScheduleTime"] == second
    found = cron_jobs.get("api", "status")
    assert found["metadata"]["uid"] == uid
    assert found["status"]["lastScheduleTime"] == second
