"""The README's tour works as it is printed."""
import os
import pathlib
import re
import subprocess

README = pathlib.Path(__file__).parents[2] / "README.md"


def test_first_tour_of_the_readme_works(fresh_service):
    tour = re.search(r"```sh\n(.*?)```", README.read_text(), re.S).group(1)
    tour = tour.replace("http://127.0.0.1:8080", fresh_service.url)
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", tour], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "POSTREEVE_STATE_DIR": str(fresh_service.state)})
    assert done.returncode == 0, done.stderr
    for expected in ('"state": "ACTIVE"', '"job_title": "Countess"', '"countess@example.postreeve.test"',
                     '"ada@example.postreeve.test"', '"ENABLED"', '"unknown_member"', '"purpose": "OWNERSHIP"', " IN TXT ", '"action": "DROP"'):
        assert expected in done.stdout, done.stdout
