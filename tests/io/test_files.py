"""Published files: found, cached, downloaded from a server on this machine, verified."""

import hashlib
import http.server
import io
import threading

import pytest
from rich.console import Console

from myow.errors import FileError
from myow.io.download import DownloadBar, PublishedFile, fetch, locate, verify

CONTENT = bytes(range(256)) * 4000  # about a megabyte, several chunks
SHA256 = hashlib.sha256(CONTENT).hexdigest()
GIT_BLOB = hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest()


class Server:
    """Answers as told: each request takes the next answer, the last one is repeated."""

    def __init__(self):
        self.answers, self.requests = ["whole"], 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                answer = outer.answers[min(outer.requests, len(outer.answers) - 1)]
                outer.requests += 1
                if isinstance(answer, int):
                    self.send_error(answer)
                    return
                body = {"whole": CONTENT, "cut": CONTENT, "unsized": CONTENT[:5000]}.get(answer, b"\1" + CONTENT[1:])
                self.send_response(200)
                if answer != "unsized":
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if answer == "cut" else body)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/a.bin"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _folders(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("MYOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MYOW_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("MYOW_OFFLINE", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


class Bar:
    """Keeps what it is told."""

    made: list = []  # noqa: RUF012

    def __init__(self, title):
        self.title, self.total, self.done, self.closed = title, 0, 0, False
        Bar.made.append(self)

    def update(self, n):
        self.done += n

    def reset(self):
        self.done = 0

    def close(self):
        self.closed = True


def published(url, **checksum):
    return PublishedFile("a.bin", url, **(checksum or {"sha256": SHA256}))


@pytest.mark.parametrize(
    "checksum", [{"sha256": SHA256}, {"git_blob": GIT_BLOB}, {"md5": hashlib.md5(CONTENT).hexdigest()}]
)
def test_a_download_is_kept_in_the_cache_and_used_again(server, tmp_path, checksum):
    file = published(server.url, **checksum)
    assert locate(file) is None
    path = fetch(file)
    assert path == tmp_path / "cache" / "a.bin"
    assert path.read_bytes() == CONTENT
    assert fetch(file) == path == locate(file)
    assert server.requests == 1
    assert [p.name for p in path.parent.iterdir()] == ["a.bin"]


def test_progress_is_reported_up_to_the_whole_size(server):
    Bar.made.clear()
    fetch(published(server.url), bar=Bar)
    (bar,) = Bar.made
    assert (bar.title, bar.total, bar.done, bar.closed) == ("a.bin", len(CONTENT), len(CONTENT), True)


def test_the_bar_draws_on_a_terminal_and_not_elsewhere(server, tmp_path):
    for terminal in (True, False):
        text = io.StringIO()
        console = Console(file=text, force_terminal=terminal, width=100)
        fetch(published(server.url), bar=lambda title, console=console: DownloadBar(title, console))
        assert ("a.bin" in text.getvalue()) is terminal
        (tmp_path / "cache" / "a.bin").unlink()


@pytest.mark.parametrize("broken", ["cut", "altered", "unsized", 503])
def test_a_broken_download_is_started_again(server, broken):
    server.answers = [broken, "whole"]
    assert fetch(published(server.url)).read_bytes() == CONTENT
    assert server.requests == 2


@pytest.mark.parametrize(
    ("broken", "said"),
    [("cut", "connection failed"), ("altered", "expected " + SHA256), ("unsized", "5000 bytes"), (503, "503")],
)
def test_a_download_that_stays_broken_leaves_nothing_behind(server, tmp_path, broken, said):
    server.answers = [broken]
    with pytest.raises(FileError, match=said) as caught:
        fetch(published(server.url))
    assert "MYOW_DATA" in str(caught.value)
    assert server.url in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []
    assert server.requests == 3
    server.answers = ["whole"]  # and the next call starts afresh
    assert fetch(published(server.url)).read_bytes() == CONTENT


def test_what_is_not_there_is_not_asked_for_again(server):
    server.answers = [404]
    with pytest.raises(FileError, match="answered 404"):
        fetch(published(server.url))
    assert server.requests == 1


def test_no_server_at_all(server):
    url = server.url
    server.http.server_close()
    with pytest.raises(FileError, match="connection failed"):
        fetch(published(url))


def test_offline_forbids_downloads_but_not_the_cache(server, monkeypatch):
    monkeypatch.setenv("MYOW_OFFLINE", "1")
    with pytest.raises(FileError, match="MYOW_OFFLINE"):
        fetch(published(server.url))
    assert server.requests == 0
    monkeypatch.setenv("MYOW_OFFLINE", "0")
    path = fetch(published(server.url))
    monkeypatch.setenv("MYOW_OFFLINE", "1")
    assert fetch(published(server.url)) == path


def test_a_file_of_yours_is_found_in_any_subfolder(server, tmp_path):
    folder = tmp_path / "data" / "deep" / "down"
    folder.mkdir(parents=True)
    (folder / "a.bin").write_bytes(CONTENT)
    assert fetch(published(server.url)) == folder / "a.bin"
    assert server.requests == 0


@pytest.mark.parametrize("content", [CONTENT[:-1], b"\1" + CONTENT[1:], b""])
def test_an_altered_or_truncated_file_of_yours_is_refused_and_left_alone(server, tmp_path, content):
    path = tmp_path / "data" / "a.bin"
    path.write_bytes(content)
    with pytest.raises(FileError, match="altered or truncated") as caught:
        fetch(published(server.url))
    assert SHA256 in str(caught.value)
    assert hashlib.sha256(content).hexdigest() in str(caught.value)
    assert path.read_bytes() == content
    assert server.requests == 0


def test_a_damaged_file_in_the_cache_is_replaced(server, tmp_path):
    path = fetch(published(server.url))
    path.write_bytes(CONTENT[:100])
    assert fetch(published(server.url)) == path
    assert path.read_bytes() == CONTENT


def test_a_file_altered_after_it_was_verified_is_noticed(tmp_path):
    path = tmp_path / "data" / "a.bin"
    path.write_bytes(CONTENT)
    file = published("http://127.0.0.1/")
    verify(path, file)
    verify(path, file)
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(FileError, match="altered or truncated"):
        verify(path, file)


def test_a_wrong_folder_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("MYOW_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(FileError, match="no folder"):
        fetch(published("http://127.0.0.1/"))


def test_a_cache_that_cannot_be_written_is_said(server, monkeypatch, tmp_path):
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setenv("MYOW_CACHE", str(tmp_path / "taken"))
    with pytest.raises(FileError, match="taken"):
        fetch(published(server.url))


def test_a_file_without_a_checksum_is_refused(server):
    with pytest.raises(FileError, match="without a checksum"):
        fetch(PublishedFile("a.bin", server.url))
    assert server.requests == 0


def test_a_known_git_blob_id(tmp_path):
    path = tmp_path / "hello.txt"
    path.write_bytes(b"hello\n")
    # `git hash-object` of this text, as every git gives it.
    verify(path, PublishedFile("hello.txt", "", git_blob="ce013625030ba8dba906f756967f9e9ca394464a"))
