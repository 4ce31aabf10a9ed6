"""root-access-key.json may hold the only credential there is: whatever fails, it holds one that is valid."""
import json

import pytest

from commit_proxy import AFTER, BEFORE, CommitProxy
from service import run_binary

POINTS = ["root_access_key.before_commit", "root_access_key.after_commit"]


def reset(service, *arguments, env=None):
    return run_binary("admin", "reset-root-key", *arguments, *service.options_for_admin(), env=env)


def check_file(service):
    """The key in the file opens the door, and no other file is left."""
    service.client().get("/v1/regions")
    assert [path.name for path in service.state.glob("root-access-key*")] == ["root-access-key.json"]


@pytest.mark.parametrize("point", POINTS)
def test_reset_that_is_killed_leaves_a_valid_key(fresh_service, point):
    old = fresh_service.root
    assert reset(fresh_service, env={"POSTREEVE_FAULT": point}).returncode == -9
    fresh_service.restart()
    check_file(fresh_service)
    assert (fresh_service.root == old) == (point == POINTS[0])


@pytest.mark.parametrize("point", POINTS)
def test_next_command_settles_what_a_killed_one_left(fresh_service, point):
    assert reset(fresh_service, env={"POSTREEVE_FAULT": point}).returncode == -9
    other = fresh_service.admin("create-account", "--name", "other")["account_id"]
    check_file(fresh_service)
    assert reset(fresh_service, "--account", other, env={"POSTREEVE_FAULT": point}).returncode == -9
    mine = fresh_service.root
    assert reset(fresh_service, "--account", mine["account_id"]).returncode == 0
    assert fresh_service.root["account_id"] == mine["account_id"] and fresh_service.root != mine
    fresh_service.client().get("/v1/regions")
    theirs = fresh_service.state / f"root-access-key-{other}.json"
    assert theirs.exists() == (point == POINTS[1])
    if theirs.exists():
        fresh_service.client(json.loads(theirs.read_text())).get("/v1/regions")


@pytest.mark.parametrize("point", POINTS)
def test_first_start_that_is_killed_leaves_a_valid_key(make_service, point):
    service = make_service(start=False, fresh=True)
    service.launch(env={"POSTREEVE_FAULT": point})
    service.wait_killed(60)
    service.start()
    check_file(service)


@pytest.mark.expect_errors
@pytest.mark.parametrize("when", [BEFORE, AFTER])
def test_reset_whose_commit_is_lost_leaves_a_valid_key(fresh_service, folder, when):
    proxy = CommitProxy(folder, fresh_service.state / "postgresql/run")
    address = ["--database", f"host={folder} user=postreeve dbname=postreeve"]
    try:
        lost = 0
        for commit in range(4):  # whichever of them is that of the change
            proxy.cut(when, commit)
            lost += reset(fresh_service, *address).returncode != 0
            assert reset(fresh_service, "--account", "0" * 12).returncode == 1  # what any command does first
            check_file(fresh_service)
        assert lost >= 2
    finally:
        proxy.close()


def test_key_that_cannot_be_written_is_not_made_valid(fresh_service):
    (fresh_service.state / "root-access-key.json.next").mkdir()
    (fresh_service.state / "root-access-key.json.next/x").touch()
    assert reset(fresh_service).returncode == 1
    fresh_service.client().get("/v1/regions")
