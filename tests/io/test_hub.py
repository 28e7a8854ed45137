"""Models on the Hub: pushed and pulled through a stand-in on this machine; every fault is one line."""

import numpy as np
import pytest
from hub_stand_in import TOKEN, StandIn, blob_id
from tiny import SMALL, SMALL_MINING, reach

import myow
from myow.cli.train import train_run
from myow.errors import FileError, SettingError

pytest.importorskip("huggingface_hub")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "MYOW_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    with StandIn() as stand_in:
        monkeypatch.setenv("HF_ENDPOINT", stand_in.url)
        yield stand_in


@pytest.fixture(scope="module")
def model():
    return myow.MYOW(**SMALL, **SMALL_MINING).fit(reach())


def push(model, repo="someone/reach", **options):
    return myow.push_to_hub(model, repo, token=TOKEN, **options)


def test_what_is_pushed_embeds_the_same_when_it_is_pulled(hub, model):
    address = push(model, private=False)
    assert address == f"hf://someone/reach@{hub.heads['someone/reach', 'main']}"
    for asked in (address, "hf://someone/reach"):
        loaded = myow.load_model(asked, device="cpu")
        assert np.array_equal(loaded.transform(reach()), model.transform(reach()))
    held = hub.repos["someone/reach"][hub.heads["someone/reach", "main"]]
    assert set(held) == {"model.myow", "README.md"}
    card = held["README.md"].decode()
    assert card.startswith("---\nlibrary_name: myow\n")
    assert model.card() in card


def test_a_run_is_pushed_with_its_evaluations(hub, tmp_path):
    path = tmp_path / "run"
    settings = ["steps=6", "hidden=8", "dim=4", "mined_projector=6,4", "batch_size=32"]
    train_run("simulated-sleep", path, settings=settings, progress=False, device="cpu")
    (path / "evaluation_state_class.json").write_text('{"target": "state", "readout": "class", "accuracy": 0.625}')
    push(path)
    held = hub.repos["someone/reach"][hub.heads["someone/reach", "main"]]
    assert held["model.myow"] == (path / "model.myow").read_bytes()
    assert "| state | class | all | accuracy | 0.625 |" in held["README.md"].decode()


def test_what_is_made_is_private_unless_it_is_asked_for(hub, model):
    push(model, "someone/kept")
    push(model, "someone/shown", private=False)
    assert hub.private == {"someone/kept": True, "someone/shown": False}
    with pytest.raises(FileError, match=r"there is no hf://someone/kept, or it is private; check the name, and log in"):
        myow.pull_from_hub("someone/kept")
    assert myow.pull_from_hub("someone/kept", token=TOKEN).name == "model.myow"


def test_a_commit_that_was_pinned_stays_what_it_was(hub, model):
    first = push(model, private=False)
    other = myow.PCA(dim=3, device="cpu").fit(reach())
    push(other)
    push(other, revision="trial", message="another branch")
    assert myow.load_model("hf://someone/reach", device="cpu").transform(reach()).shape[1] == 3
    assert np.array_equal(myow.load_model(first, device="cpu").transform(reach()), model.transform(reach()))
    commit = first.partition("@")[2]
    assert myow.pull_from_hub("someone/reach", revision=commit).parent.name == commit
    assert myow.load_model("hf://someone/reach@trial", device="cpu").dim == 3


def test_a_pinned_commit_that_is_at_hand_needs_no_network(hub, model, monkeypatch):
    address = push(model, private=False)
    myow.pull_from_hub(address)
    monkeypatch.setenv("MYOW_OFFLINE", "1")
    asked = len(hub.asked)
    assert np.array_equal(myow.load_model(address, device="cpu").transform(reach()), model.transform(reach()))
    assert len(hub.asked) == asked
    with pytest.raises(FileError, match="MYOW_OFFLINE forbids to upload to someone/reach"):
        push(model)
    with pytest.raises(FileError, match="is not at hand, and the Hub cannot be reached"):
        myow.pull_from_hub("someone/other")


def test_bytes_that_are_not_those_of_the_commit_are_refused(hub, model):
    address = push(model, private=False)
    held = hub.repos["someone/reach"][address.partition("@")[2]]["model.myow"]
    hub.serves["model.myow"] = held[:-1] + bytes([held[-1] ^ 1])
    with pytest.raises(FileError, match=f"was altered or truncated: .* expected {blob_id(held)}; delete it"):
        myow.load_model(address)


def test_a_cache_without_links_is_verified_too(hub, model, monkeypatch):
    import huggingface_hub.file_download as download

    monkeypatch.setattr(download, "are_symlinks_supported", lambda *_: False)
    address = push(model, private=False)
    path = myow.pull_from_hub(address)
    assert not path.is_symlink()
    assert any("/paths-info/" in place for _, place in hub.asked)
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(FileError, match="was altered or truncated"):
        myow.pull_from_hub(address)


def told(error):
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 400
    return text


def test_faults_are_one_line_each(hub, model):
    push(model, private=False)
    with pytest.raises(FileError) as error:
        myow.pull_from_hub("someone/nothing")
    assert "there is no hf://someone/nothing, or it is private" in told(error)
    with pytest.raises(FileError) as error:
        myow.pull_from_hub("someone/reach@0.9")
    assert "hf://someone/reach has no revision '0.9'" in told(error)
    hub.commit("someone/reach", "main", {})
    hub.repos["someone/reach"][hub.heads["someone/reach", "main"]].pop("model.myow")
    with pytest.raises(FileError) as error:
        myow.pull_from_hub("someone/reach")
    assert "holds no model.myow; it is no model of ours" in told(error)
    with pytest.raises(FileError) as error:
        myow.push_to_hub(model, "someone/reach", token="wrong")
    assert "log in (hf auth login)" in told(error)
    hub.fault = 403
    with pytest.raises(FileError) as error:
        push(model)
    assert "you may not do this with hf://someone/reach (the server answered 403)" in told(error)
    hub.fault = 400
    with pytest.raises(FileError) as error:
        push(model)
    assert "the server answered 400; try again later" in told(error)


def test_without_a_network_it_says_so(hub, model, monkeypatch):
    import huggingface_hub.file_download as download

    monkeypatch.setattr(download, "_ETAG_RETRY_TIMEOUT", 0.1, raising=False)
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # the discard port, where nobody listens
    with pytest.raises(FileError) as error:
        myow.pull_from_hub("someone/reach")
    assert "the Hub cannot be reached" in told(error)
    with pytest.raises(FileError) as error:
        push(model)
    assert "cannot be reached" in told(error)


@pytest.mark.parametrize("address", ["hf://", "hf://name", "hf://a/b/c", "hf://../x/y", "hf://a b/c"])
def test_what_is_no_address_is_refused_before_anything_is_asked(hub, address):
    with pytest.raises(SettingError, match="names no repository; write hf://user/name"):
        myow.load_model(address)
    assert not hub.asked


def test_without_the_package_the_extra_is_named(hub, model, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    for call in (lambda: push(model), lambda: myow.load_model("hf://someone/reach")):
        with pytest.raises(SettingError, match=r"pip install 'myow\[hub\]'"):
            call()


def test_only_models_and_runs_are_shared(hub, tmp_path):
    with pytest.raises(SettingError, match="a dict cannot be shared"):
        push({})
    with pytest.raises(FileError, match="is not a run folder"):
        push(tmp_path)
    with pytest.raises(Exception, match="not fitted"):
        push(myow.PCA())
    assert not hub.asked
