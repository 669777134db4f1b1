"""What is printed about resuming runs, again and again, in a folder of its own."""

import pytest

from tests.docs.printed import ROOT, program, run_file, run_in

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("page", ["README.md", "docs/keras.md", "docs/resume.md"])
def test_the_programs_of_a_page_run_twice_in_a_folder(page, tmp_path):
    run_in(tmp_path, program(page))
    assert list(tmp_path.glob("run/checkpoints/update-*"))
    run_in(tmp_path, program(page))


def test_the_example_goes_on_in_the_folder_where_it_was_started(tmp_path):
    script = ROOT / "examples" / "resume.py"
    run_file(tmp_path, script, "--epochs=1")
    first = (tmp_path / "resume" / "log.jsonl").read_text()
    assert "after 2 epochs" in run_file(tmp_path, script, "--epochs=2")
    log = (tmp_path / "resume" / "log.jsonl").read_text()
    assert log.startswith(first) and len(log) > len(first)
