"""A stand-in for the Hugging Face Hub on this machine: the few calls that pushing and pulling make, kept in memory."""

import base64
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote

TOKEN = "a-token-that-may-write"


class StandIn:
    """Repositories as commits of files; `fault` makes the next answers what a server in trouble would give."""

    def __init__(self):
        self.repos = {}  # name -> {revision or commit: {file: bytes}}
        self.heads = {}
        self.private = {}
        self.asked = []
        self.fault = None
        self.serves = {}  # what is handed out in place of a file's bytes
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_POST(self):
                hub.answer(self)

            do_GET = do_HEAD = do_POST

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def commit(self, repo, branch, added):
        commits = self.repos[repo]
        files = commits.get(self.heads.get((repo, branch)), {}) | added
        name = hashlib.sha1(repr((repo, sorted(files.items()))).encode()).hexdigest()
        commits[name] = files
        self.heads[repo, branch] = name
        return name

    def find(self, repo, revision):
        commit = self.heads.get((repo, revision), revision)
        return commit, self.repos[repo].get(commit)

    def answer(self, ask):
        body = ask.rfile.read(int(ask.headers.get("Content-Length") or 0))
        path = unquote(ask.path.partition("?")[0])
        self.asked.append((ask.command, path))
        allowed = ask.headers.get("Authorization") == f"Bearer {TOKEN}"
        if self.fault:
            return send(ask, self.fault, {"error": "trouble"})
        if path == "/api/repos/create":
            if not allowed:
                return send(ask, 401, {"error": "Invalid username or password."})
            about = json.loads(body)
            name = f"{about['organization']}/{about['name']}"
            known = name in self.repos
            self.repos.setdefault(name, {})
            if not known:
                self.private[name] = about.get("private", about.get("visibility") == "private")
            return send(ask, 409 if known else 200, {"url": f"{self.url}/{name}"})
        if path == "/api/validate-yaml":
            return send(ask, 200, {"errors": [], "warnings": []})
        found = re.fullmatch(
            r"(?:/api/models)?/([^/]+/[^/]+)/(preupload|commit|paths-info|resolve)/([^/]+)/?(.*)", path
        )
        repo, what, revision, file = found.groups() if found else ("", "", "", "")
        if repo not in self.repos or (self.private.get(repo) and not allowed):
            return send(ask, 401 if not allowed else 404, {"error": "no"}, {"X-Error-Code": "RepoNotFound"})
        if what == "preupload":
            wanted = json.loads(body)["files"]
            plain = [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in wanted]
            return send(ask, 200, {"files": plain})
        if what == "commit":
            if not allowed:
                return send(ask, 403, {"error": "You have read access but not the required permissions"})
            lines = [json.loads(line) for line in body.splitlines()]
            files = [line["value"] for line in lines if line["key"] == "file"]
            added = {value["path"]: base64.b64decode(value["content"]) for value in files}
            oid = self.commit(repo, revision, added)
            return send(ask, 200, {"success": True, "commitOid": oid, "commitUrl": f"{self.url}/{repo}/commit/{oid}"})
        commit, files = self.find(repo, revision)
        if files is None:
            return send(ask, 404, {"error": "no"}, {"X-Error-Code": "RevisionNotFound"})
        if what == "paths-info":
            paths = [p for p in parse_qs(body.decode())["paths"] if p in files]
            told = [{"type": "file", "path": p, "size": len(files[p]), "oid": blob_id(files[p])} for p in paths]
            return send(ask, 200, told)
        if file not in files:
            return send(ask, 404, {"error": "no"}, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        held = self.serves.get(file, files[file])
        return send(ask, 200, held, {"ETag": f'"{blob_id(files[file])}"', "X-Repo-Commit": commit})


def blob_id(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def send(ask, status, content, headers=None):
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    ask.send_response(status)
    for key, value in (headers or {}).items():
        ask.send_header(key, value)
    ask.send_header("Content-Length", str(len(data)))
    ask.end_headers()
    if ask.command != "HEAD":
        ask.wfile.write(data)
