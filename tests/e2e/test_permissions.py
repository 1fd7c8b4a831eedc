"""The documented roles are enough, and none of them is too many: read from docs/operations/permissions.md."""
import json
import pathlib
import re

from harness import clusters
from harness.case import DroverTest
from harness.report import NotRun

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "operations" / "permissions.md"


def documented():
    """{command value: command} of every JSON block."""
    commands = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.S)]
    return {next(iter(command.values())): command for command in commands}


class Permissions(DroverTest):
    auth = True

    def setUp(self):
        super().setUp()
        self.needs_own_clusters()
        self.seed(documents=50)
        self.commands = documented()

    def user(self, cluster, name, without=None):
        admin = cluster.client().admin
        roles = [role for role in self.commands[name]["roles"] if role != without]
        if cluster.version < (6, 0):
            roles = [role for role in roles if role != "droverWriteBlock"]
        elif "droverWriteBlock" in roles:
            role = self.commands["droverWriteBlock"]
            admin.command("createRole", role["createRole"], privileges=role["privileges"], roles=role["roles"])
        admin.command("createUser", name, pwd=clusters.PASSWORD, roles=roles)
        return cluster.uri_of(name)

    def test_exactly_these_are_enough(self):
        self.migrate(source=self.user(self.source, "droverSource"), destination=self.user(self.destination, "droverDestination"))
        self.assert_equal_deployments()

    def refused_without(self, name, role):
        if role == "droverWriteBlock" and self.source.version < (6, 0):
            raise NotRun("6.0, which brought the write block")
        source = self.user(self.source, "droverSource", without=role if name == "droverSource" else None)
        destination = self.user(self.destination, "droverDestination", without=role if name == "droverDestination" else None)
        self.remember_destination()
        process = self.start_migration(source=source, destination=destination)
        process.wait(60)
        self.assert_refused_untouched(process, 5 if name == "droverSource" else 6, rf"grant the role {role}\b",
                                      "source" if name == "droverSource" else "destination")


def add_tests():
    for name in ("droverSource", "droverDestination"):
        for role in documented()[name]["roles"]:
            def test(self, name=name, role=role):
                self.refused_without(name, role)
            test.__name__ = f"test_{name}_without_{role}"
            setattr(Permissions, test.__name__, test)


add_tests()
