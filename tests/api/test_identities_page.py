"""The tour of docs/identities.md works as it is printed."""
import os
import pathlib
import re
import subprocess

PAGE = pathlib.Path(__file__).parents[2] / "docs/identities.md"


def test_tour_of_identities_works(fresh_service):
    tour = re.search(r"```sh\n(.*?)```", PAGE.read_text(), re.S).group(1)
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", tour.replace("http://127.0.0.1:8080", fresh_service.url)],
                          capture_output=True, text=True, timeout=60,
                          env={**os.environ, "POSTREEVE_STATE_DIR": str(fresh_service.state)})
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == '{"items":0}' and lines[1] == '{"code":"access_denied","decision":{"effect":"IMPLICIT_DENY"}}'
    assert '"effect":"EXPLICIT_DENY"' in lines[2] and '"sid":"KeepThem"' in lines[2]
    assert lines[3:] == ["not_held", '{"source_address":"127.0.0.1"}', "csrf_token", "204"]
