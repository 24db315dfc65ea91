"""The documents name what exists: commands, targets and files."""

import re

import pytest

from tests._needs import ROOT

pytestmark = pytest.mark.once

TARGETS = {
    "build", "test", "demo", "bench", "verify", "fix", "proto", "annotate", "clean", "coverage", "asan", "wheels",
}  # fmt: skip
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))


def test_the_makefile_has_every_target() -> None:
    assert targets() >= TARGETS


def test_readme_names_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "make demo" in readme
    assert "make test" in readme


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_documents_name_existing_targets(path) -> None:
    named = set(re.findall(r"(?:^|`|\$ )make ([a-z]+)", path.read_text(), re.M))
    assert named <= targets()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(path) -> None:
    links = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []
