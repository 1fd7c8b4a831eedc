"""`drover org`, `drover migration`, … as a script runs them: a credentials file of mode 0600, --json, an exit code."""
import json
import os


class Cli:
    def __init__(self, test, site, login=None, name="credentials"):
        self.test, self.site = test, site
        test.clis = getattr(test, "clis", 0) + 1
        self.credentials = self.file(f"{name} {test.clis}.json", json.dumps({"site": site.url, **(login or site.owner)}))

    def file(self, name, text, mode=0o600):
        path = os.path.join(self.test.directory, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def start(self, *arguments, stdin=None, json_output=True, **options):
        more = ["--json"] if json_output else []
        if stdin is not None:
            self.test.inputs = getattr(self.test, "inputs", 0) + 1
            options["stdin"] = open(self.file(f"stdin {self.test.inputs}", stdin), encoding="utf-8")
            self.test.addCleanup(options["stdin"].close)
        return self.test.start(*arguments, "--credentials", self.credentials, *more, **options)

    def __call__(self, *arguments, timeout=120, **options):
        """Succeeds; what it printed."""
        process = self.start(*arguments, **options)
        process.wait(timeout)
        self.test.assertEqual(process.child.returncode, 0, process.tail())
        return json.loads(process.stdout()) if options.get("json_output", True) else process.stdout()

    def fails(self, code, *arguments, timeout=120, **options):
        """Ends with this exit code, and says so in JSON; the error."""
        process = self.start(*arguments, **options)
        process.wait(timeout)
        self.test.assertEqual(process.child.returncode, code, process.tail())
        self.test.assertIn(f"drover {arguments[0]} {arguments[1]}: ", process.stderr(), process.tail())
        error = json.loads(process.stdout().splitlines()[-1])["error"]
        self.test.assertEqual(error["exitCode"], code, process.tail())
        self.test.assertNotIn(self.site.owner["privateKey"], process.stdout() + process.stderr())
        return error
